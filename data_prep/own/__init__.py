"""Prepares recordings of one's own: own classes, own labels, own camera."""
