"""Numbers as text: percentages, decimals, intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import Values


def percents(values: Values) -> str:
    """``86.2 [81.9, 89.6]``: a share and its interval in percent; a dash where there is none."""
    return number(values, scale=100, digits=1)


def number(values: Values, scale: float = 1, digits: int = 3) -> str:
    """``0.357 [0.301, 0.402]``: a number and its interval; a dash where there is none."""
    return cell(metrics.estimate(np.atleast_1d(values)), scale, digits)


def cell(estimate: Sequence[float], scale: float = 1, digits: int = 3) -> str:
    """``number`` of a value and the ends of its interval, which may be NaN."""
    # Rounded first, and 0 added, so that no cell reads -0.0.
    value, low, high = (round(scale * part, digits) + 0.0 for part in estimate)
    if not np.isfinite(value):
        return "-"
    return f"{value:.{digits}f}" + (f" [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(low) else "")


def percent(share: float, low: float = float("nan"), high: float = float("nan")) -> str:
    """``86.2 [81.9, 89.6]``: a share and its interval in percent; a dash where there is none."""
    if pd.isna(share):
        return "-"
    return f"{100 * share:.1f}" + ("" if pd.isna(low) else f" [{100 * low:.1f}, {100 * high:.1f}]")


def text(estimate: dict[str, float]) -> str:
    """``0.31 [0.25, 0.37]``: a ``mean`` and its interval (``low``, ``high``); a dash where there is none."""
    return cell((estimate["mean"], estimate["low"], estimate["high"]), digits=2)
