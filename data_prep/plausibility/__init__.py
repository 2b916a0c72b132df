"""Looks at annotations that can be, and asks whether they are right; `data_prep.poses` cannot."""
