"""How tenants stand, read from the database: what the API answers and what a digest tells."""
