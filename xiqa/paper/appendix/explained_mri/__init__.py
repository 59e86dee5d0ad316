"""Saliency maps of MRI artifacts, scored on the changed voxels."""

PRIMARY = "normgrad_scaling_combined"
METHODS = (PRIMARY, "gradcam_combined", "gradcam")
TRAINED, UNTRAINED, NO_NETWORK = "trained", "untrained", "no network"
ABOUT = ["image", "subject", "label", "artifact", "contrast", "severity"]  # columns that describe a scan
FILLED = ["filled_x", "filled_y", "filled_z"]  # part of the networks' input, from 0 on, that a scan fills
