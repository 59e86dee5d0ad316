"""Prepared arrays: what networks see."""
