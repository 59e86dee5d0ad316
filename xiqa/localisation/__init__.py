"""How well saliency maps localise, beyond the pointing game.

`froc` and `peaks` take a map as a list of points, as the Object-CXR challenge scores detectors; `energy_pointing_game`,
`iou_curve` and `average_precision` judge the whole map against a mask; `insertion_deletion` asks the network itself;
`write_truths` keeps what embedded data know beyond the annotation. `localise`, `iou_thresholds`, `froc_points` and
`froc_scores` are what a notebook asks the store for.
"""

from xiqa.localisation.challenge import OPERATING_POINTS, froc
from xiqa.localisation.detection import froc_points, froc_scores
from xiqa.localisation.files import read_localization, write_predictions
from xiqa.localisation.maxima import peaks, to_points
from xiqa.localisation.overlap import (
    THRESHOLDS,
    average_precision,
    best_threshold,
    energy_pointing_game,
    iou_curve,
)
from xiqa.localisation.perturbation import area, insertion_deletion
from xiqa.localisation.study import iou_thresholds, localise
from xiqa.localisation.truths import Truths, hits, on_distractor, write_truths

__all__ = [
    "OPERATING_POINTS",
    "THRESHOLDS",
    "Truths",
    "area",
    "average_precision",
    "best_threshold",
    "energy_pointing_game",
    "froc",
    "froc_points",
    "froc_scores",
    "hits",
    "insertion_deletion",
    "iou_curve",
    "iou_thresholds",
    "localise",
    "on_distractor",
    "peaks",
    "read_localization",
    "to_points",
    "write_predictions",
    "write_truths",
]
