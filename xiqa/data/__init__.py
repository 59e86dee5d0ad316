"""Readers, prepared arrays and geometry of the three data sets."""
