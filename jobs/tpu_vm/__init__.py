"""Training on Cloud TPU VMs, by queued resources."""
