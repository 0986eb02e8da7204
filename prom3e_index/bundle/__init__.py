"""An index on disk, opened: manifest, segments, filters, memory maps, FAISS."""
