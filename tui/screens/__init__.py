"""One screen per question an admin asks."""
