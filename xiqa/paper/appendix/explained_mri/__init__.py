"""Saliency maps of MRI artifacts, scored on the changed voxels."""

ABOUT = ["image", "subject", "label", "artifact", "contrast", "severity"]  # columns that describe a scan
FILLED = ["filled_x", "filled_y", "filled_z"]  # part of the networks' input, from 0 on, that a scan fills
