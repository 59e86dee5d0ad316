"""The store: results kept under what they depend on."""
