"""Draws what a model says: NumPy arrays in, RGB pictures and videos out; no JAX."""
