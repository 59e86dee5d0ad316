"""How well saliency maps localise, beyond the pointing game.

`froc` and `peaks` take a map as a list of points, as the Object-CXR challenge scores detectors; `energy_pointing_game`,
`iou_curve` and `average_precision` judge the whole map against a mask; `insertion_deletion` asks the network itself;
`write_truths` keeps what embedded data know beyond the annotation. `localise`, `iou_thresholds`, `froc_points` and
`froc_scores` are what a notebook asks the store for.
"""

from xiqa.localisation.challenge import OPERATING_POINTS, froc
from xiqa.localisation.maxima import peaks, to_points
from xiqa.localisation.overlap import THRESHOLDS, average_precision, best_threshold, energy_pointing_game, iou_curve
from xiqa.localisation.perturbation import area, insertion_deletion

__all__ = [
    "OPERATING_POINTS",
    "THRESHOLDS",
    "area",
    "average_precision",
    "best_threshold",
    "energy_pointing_game",
    "froc",
    "insertion_deletion",
    "iou_curve",
    "peaks",
    "to_points",
]
