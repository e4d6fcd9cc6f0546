"""The window: speaks HTTP to the API, knows nothing else."""
