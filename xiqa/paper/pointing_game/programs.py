"""The published programs, and single defects of theirs, by name."""

from xiqa.saliency.defects import MODES

PROGRAMS = ("published", "published_midl")
ALONE = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "positive")
# Variant -> the defects that are switched on.
VARIANTS = {name: MODES[name] for name in PROGRAMS} | {name: (name,) for name in ALONE}
