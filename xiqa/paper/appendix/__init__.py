"""Chapters of the appendix."""
