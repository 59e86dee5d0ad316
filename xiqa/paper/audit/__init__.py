"""Audit of the embedded data: proofs, shortcuts, null worlds."""
