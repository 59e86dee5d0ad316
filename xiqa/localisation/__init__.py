"""Measures of localisation beyond the pointing game.

`froc` scores points, and `peaks` turns a map into points; `energy_pointing_game`, `iou_curve` and `average_precision`
compare a map with a mask; `insertion_deletion` measures the dependence of the network on pixels of high saliency.
"""

from typing import TYPE_CHECKING

from xiqa.store.faces import lazy

if TYPE_CHECKING:
    from xiqa.localisation.challenge import froc
    from xiqa.localisation.maxima import peaks, to_points
    from xiqa.localisation.overlap import average_precision, best_threshold, energy_pointing_game, iou_curve
    from xiqa.localisation.perturbation import area, insertion_deletion

__getattr__ = lazy(__name__, __file__)
