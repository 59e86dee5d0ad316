"""Localisation beyond the pointing game: notebook A1."""
