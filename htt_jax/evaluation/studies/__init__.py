"""Evaluated runs side by side: means over seeds, the paper's ablations."""
