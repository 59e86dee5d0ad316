"""One file format each: bytes become arrays."""
