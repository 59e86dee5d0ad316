"""Brain MRI scans of heads warped from MNI152, with artifacts from k-space, as a folder of NIfTI files."""

from xiqa.synthetic.head.artifacts import KINDS
from xiqa.synthetic.head.compose import Scan, draw
from xiqa.synthetic.head.contrast import CONTRASTS
from xiqa.synthetic.head.files import plan, write

__all__ = ["CONTRASTS", "KINDS", "Scan", "draw", "plan", "write"]
