"""Model folders: where weights come from and how they are read."""
