"""Sanity checks: maps of randomised networks."""
