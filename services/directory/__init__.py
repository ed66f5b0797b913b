"""The read side: answers queries from the projections, and from nothing else."""
