"""The pointing game: observations, baselines, tables, claims, figures."""
