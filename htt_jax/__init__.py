"""Hierarchical Temporal Transformer in JAX: 3D hand pose and action from egocentric video."""
