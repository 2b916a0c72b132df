"""Joints in space for hands that are labelled in images alone, by a fit; on request only."""
