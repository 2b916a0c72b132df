"""The Flax modules of HTT."""
