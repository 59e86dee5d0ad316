"""Brain MRI scans of heads warped from MNI152, with artifacts from k-space.

``write`` writes a folder of NIfTI files, ``scan_at`` draws any one of its scans without a disk; ``plan`` lists them.
"""

from xiqa.synthetic.head.artifacts import FAMILIES, KINDS
from xiqa.synthetic.head.compose import Scan, draw
from xiqa.synthetic.head.contrast import CONTRASTS
from xiqa.synthetic.head.files import listed, scan_at, without, write, write_some
from xiqa.synthetic.head.plans import plan
from xiqa.synthetic.head.scanner import SCANNERS

__all__ = [
    "CONTRASTS",
    "FAMILIES",
    "KINDS",
    "SCANNERS",
    "Scan",
    "draw",
    "listed",
    "plan",
    "scan_at",
    "without",
    "write",
    "write_some",
]
