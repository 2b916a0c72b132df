"""The stages of the depth systems, one file each."""
