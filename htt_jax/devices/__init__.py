"""Devices: what lies where on them, compiled programs, memory."""
