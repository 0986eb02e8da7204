"""One target's gallery in FAISS: kinds of index, writing, searching, tuning. The one place that knows FAISS."""
