"""Names of the three splits."""

SPLITS = ("train", "val", "test")
