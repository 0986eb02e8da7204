"""Stage 2: the MVAE fitted to embeddings."""
