"""Radiographs of an analytic thorax with foreign objects, in the layout of Object-CXR."""

from xiqa.synthetic.chest.compose import Film, draw, draw_pair
from xiqa.synthetic.chest.files import plan, read_masks, without, write
from xiqa.synthetic.chest.objects import designated, things

__all__ = ["Film", "designated", "draw", "draw_pair", "plan", "read_masks", "things", "without", "write"]
