"""Maps of one network, and rivals that see none, scored on every scan that has a mask; and their table."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from xiqa import metrics, saliency, sampling
from xiqa.mri_explained.truth import Truth, columns, network_of, score

METHODS = ("normgrad_scaling_combined", "normgrad_conv1x1_combined", "gradcam", "gradcam_combined")
RIVALS = ("random", "centre", "gradient_magnitude")
ALL = "all"  # row of a table for every family together


def observe(
    prepared: Path,
    weights: Path,
    network: str,
    seed: int,
    split: str,
    methods: list[str],
    batch: int,
    root: Path,
    tolerance: float = 1.0,
) -> pd.DataFrame:
    """Store function: explain the class artifact on the scans that have a mask, and score the maps.

    Parameters
    ----------
    prepared, root, split : see :func:`masks`; ``root`` is not part of the key.
    weights, network, seed : of a training.
    methods : names of saliency methods.
    batch : scans explained together; fixed, so that numbers repeat.
    tolerance : voxels, strict.

    Returns
    -------
    DataFrame, a row a scan and method: image, subject, label, artifact, contrast, severity, probability (of an
    artifact, dropout off), method, seed, network, split, and what :func:`score` tells.

    """
    truth = Truth(prepared, root, split)
    model, rows = network_of(network, weights, truth.data.shape), []
    for start in range(0, len(truth.rows), batch):
        places = range(start, min(start + batch, len(truth.rows)))
        inputs = truth.inputs(places)
        logits, (maps,) = saliency.explain_classes(model, inputs, [1], methods)
        probability = logits.float().softmax(1)[:, 1].tolist()
        for i, place in enumerate(places):
            away = truth.away(place)
            for method in methods:
                heat = truth.cut(maps[method][i].cpu().numpy(), place)
                about = truth.about(place) | {"probability": probability[i], "method": method}
                rows.append(about | score(heat, away, tolerance))
    return pd.DataFrame(rows, columns=None if rows else columns()).assign(seed=seed, network=network, split=split)


def rivals(prepared: Path, split: str, root: Path, seed: int = 0, tolerance: float = 1.0) -> pd.DataFrame:
    """Store function: rows as of :func:`observe` for rivals that see no network; ``probability`` is NaN.

    ``random``: independent noise in every voxel; ``centre``: closeness to the middle of the scan;
    ``gradient_magnitude`` of the scan, after a Gaussian of one voxel.
    """
    truth, rows = Truth(prepared, root, split), []
    seeds = sampling.scan_seeds(truth.rows["image"].to_list(), seed)
    for place in range(len(truth.rows)):
        scan = truth.cut(truth.inputs([place])[0, 0].cpu().numpy(), place)
        away, middle = truth.away(place), np.ones(scan.shape, bool)
        middle[tuple(side // 2 for side in scan.shape)] = False
        heats = {
            "random": np.random.default_rng(seeds[place]).random(scan.shape),
            "centre": 1 / (1 + ndimage.distance_transform_edt(middle)),
            "gradient_magnitude": ndimage.gaussian_gradient_magnitude(scan, 1.0, mode="nearest"),
        }
        about = truth.about(place) | {"probability": np.nan}
        rows += [about | {"method": name} | score(heats[name], away, tolerance) for name in RIVALS]
    return pd.DataFrame(rows, columns=None if rows else columns()).assign(seed=seed, network="", split=split)


def table(frame: pd.DataFrame, label: int | None = 1) -> pd.DataFrame:
    """Hits, average precision and energy by method and family, each with its 95 % interval over subjects.

    Hits and chance are shares of scans; the interval of hits is Wilson's with subjects as clusters. Average precision,
    energy and ``share``, what a map that knows nothing reaches in these two, are means over subjects, with the interval
    of :func:`xiqa.metrics.crossed_mean` (subjects x seeds) cut at 0 and 1; it is NaN for a single subject. Degenerate
    maps are counted and in no mean.

    Parameters
    ----------
    frame : rows of :func:`observe`, of :func:`rivals`, or of both.
    label : only scans of this label; None for all, also those so mild that the rater calls them clean.

    Returns
    -------
    DataFrame, a row a method and family (first ``all``): method, artifact, scans, subjects, degenerate, hit, hit_tied,
    chance, average_precision, energy, share; hit, average_precision and energy each with ``_low`` and ``_high``.

    """
    rows = frame if label is None else frame[frame["label"] == label]
    together = pd.concat([rows.assign(artifact=ALL), rows], ignore_index=True)
    families = [ALL, *sorted(rows["artifact"].unique())]
    found = [
        {"method": method, "artifact": family} | _summary(own)
        for method in dict.fromkeys(rows["method"])
        for family in families
        if len(own := together[(together["method"] == method) & (together["artifact"] == family)])
    ]
    return pd.DataFrame(found)


def _summary(rows: pd.DataFrame) -> dict[str, float]:
    counts = {"scans": rows["image"].nunique(), "subjects": rows["subject"].nunique()}
    counts |= {"degenerate": int(rows["degenerate"].sum())}
    judged = rows[~rows["degenerate"].astype(bool)]
    low, high = metrics.clustered_wilson(judged["hit"], judged["subject"])
    found = {"hit": judged["hit"].mean(), "hit_low": low, "hit_high": high}
    found |= {name: judged[name].mean() for name in ("hit_tied", "chance")}
    for name in ("average_precision", "energy"):
        by_subject = judged.pivot_table(name, "subject", "seed").dropna().to_numpy()
        crossed = metrics.crossed_mean(by_subject)
        bounds = {f"{name}_{end}": float(np.clip(crossed[end], 0, 1)) for end in ("low", "high")}
        found |= {name: by_subject.mean() if by_subject.size else np.nan} | bounds
    return counts | found | {"share": judged.groupby("subject")["share"].mean().mean()}
