"""How diverse places are: records counted by cell and species, estimators, bands, what they go together with."""
