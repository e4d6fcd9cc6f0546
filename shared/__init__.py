"""The foundation: what at least two processes need."""
