"""Piccolo tables, sessions and migrations."""
