"""Predictive uncertainty: sampling, measures, referral, convergence."""

from typing import TYPE_CHECKING

from xiqa.store.faces import lazy

if TYPE_CHECKING:
    from xiqa.uncertainty.measures import convergence, decompose, roc_at
    from xiqa.uncertainty.referral import ETAS, METRICS, best_f1, eta_for_review, refer, rescale, youden
    from xiqa.uncertainty.sampling import FLIP_NAMES, FLIPS, flips, mc_dropout

__getattr__ = lazy(__name__, __file__)
