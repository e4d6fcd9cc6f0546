"""Migrations; each tenant table is born with its policy."""
