"""Starting a run on rented machines. Standard library only: it runs where gcloud does."""
