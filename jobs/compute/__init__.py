"""Training on TPUs of Compute Engine, by managed instance groups."""
