"""What the API does to the data; takes a session, knows no HTTP."""
