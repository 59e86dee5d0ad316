"""Names of the splits, suffixes of image files, and columns of the table of problems."""

SPLITS = ("train", "val", "test")
PROBLEMS = ["split", "path", "line", "reason", "status", "message"]
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".dcm", ".dicom")
