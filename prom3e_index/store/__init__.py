"""A vector store in place of an index folder: the same questions, the same answers."""
