"""Metrics and their intervals, from arrays alone: no network, no file."""

from typing import TYPE_CHECKING

from xiqa.store.faces import lazy

if TYPE_CHECKING:
    from xiqa.metrics.agreement import bca, cohen_kappa, kappa_interval
    from xiqa.metrics.decisions import calibration_bin, classification
    from xiqa.metrics.enriched import calibration, detection, estimate, prevalence_weights, ranking, resample
    from xiqa.metrics.intervals import auc, clustered_wilson, crossed_mean, wilson
    from xiqa.metrics.selective import augrc, aurc, balanced_augrc, balanced_aurc, dffmr, udm

__getattr__ = lazy(__name__, __file__)
