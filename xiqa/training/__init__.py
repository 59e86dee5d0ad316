"""Training of all networks by recipe, and their predictions."""
