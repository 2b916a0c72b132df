"""Training a run: its start, its steps, and what watches over them."""
