"""What keeps the repository in order; `make` runs it."""
