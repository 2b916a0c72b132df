"""A trained model on videos, folders, images and cameras, and what becomes of it."""
