"""Executes the notebooks of the paper and keeps its word about them; knows no science and imports no torch."""
