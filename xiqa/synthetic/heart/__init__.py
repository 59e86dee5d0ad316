"""Four-chamber cines of an analytic heart, some planned so that the outflow tract shows, in the layout of LVOT."""

from xiqa.synthetic.heart.cine import Cine, draw, planned, without_tract
from xiqa.synthetic.heart.files import read_about, without, write
from xiqa.synthetic.heart.planning import Planning

__all__ = ["Cine", "Planning", "draw", "planned", "read_about", "without", "without_tract", "write"]
