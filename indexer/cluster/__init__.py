"""Bulk work on the machines of a cluster: planned here, streamed by Ray Data, kept in Parquet files."""
