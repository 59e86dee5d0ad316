"""Scores of people's own radiographs and brain scans."""
