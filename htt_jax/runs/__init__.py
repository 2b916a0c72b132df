"""A run on disk: its config, description, checkpoints, and opening it again."""
