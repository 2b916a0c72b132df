"""Training on TPUs of Google Kubernetes Engine, as a JobSet."""
