"""Maps of where a query's answer may live: the cells of a grid as a gallery, scored as observations are."""
