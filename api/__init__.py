"""The front door: HTTP in, services out."""
