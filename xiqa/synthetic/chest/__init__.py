"""Radiographs of an analytic thorax with foreign objects, in the layout of Object-CXR."""

from xiqa.synthetic.chest.compose import Film, draw
from xiqa.synthetic.chest.files import read_masks, write
from xiqa.synthetic.chest.objects import things

__all__ = ["Film", "draw", "read_masks", "things", "write"]
