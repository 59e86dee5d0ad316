"""Names of the splits, and columns of the table of problems."""

SPLITS = ("train", "val", "test")
PROBLEMS = ["split", "path", "line", "reason", "status", "message"]
