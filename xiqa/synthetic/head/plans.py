"""Plan of a data set: scans of each subject, their artifacts and their counterfactuals.

A split does not depend on the sizes of the others. Its own size does not change its first scans
in it, as long as the share of artifacts is the same, but for the last few scans, which make the counts exact.
"""

import json
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor

import numpy as np
import pandas as pd

from xiqa.synthetic.head.artifacts import FAMILIES, mix
from xiqa.synthetic.head.contrast import CONTRASTS
from xiqa.synthetic.head.scanner import scanner

SPLITS = ("train", "val", "test")
PLAN = 9  # stream
APART = 10**6, 10**5  # between splits: numbers of drawn subjects, and numbers in their names
PER_SUBJECT = (0.15, 0.25, 0.30, 0.30)  # subjects with one to four scans, each of another contrast
WEIGHTS = {"T1": 0.35, "T2": 0.25, "PD": 0.15, "FLAIR": 0.25}
GOLDEN = (5**0.5 - 1) / 2  # its multiples fill [0, 1) evenly, wherever one starts
PAIRS = {"test": "all"}


def plan(spec: Mapping) -> pd.DataFrame:
    """The plan of a data set, a row a scan; draws no image.

    Columns: split, subject, base_subject, scan, contrast, label, artifact (of scans of label 1, else empty), image,
    pair (whether the scan without its artifact is wanted as well). Labels and artifacts are dealt evenly within each
    contrast, independent of the subject's number.

    Parameters
    ----------
    spec : ``shape`` (voxels), ``train``, ``val``, ``test`` (number of clean and of artifact scans each), ``seed``;
        where wanted ``scanner`` ("usual" or "other"), ``families`` (of artifacts, all by default, in the proportions
        of the mix) and ``pairs`` (split -> "all" or how many of its first scans have a counterfactual if they bear an
        artifact; by default all of test).

    Raises
    ------
    ValueError : an unknown scanner, family or split, or a count that is none.
    """
    return _planned(json.dumps({name: spec.get(name) for name in (*SPLITS, "seed", *OPTIONS)})).copy()


OPTIONS = ("scanner", "families", "pairs")


def options(spec: Mapping) -> dict:
    """Scanner, families and pairs of a specification, checked, with their defaults."""
    families = FAMILIES if spec.get("families") is None else spec["families"]
    mix(families)
    scanner(name := spec.get("scanner") or "usual")
    pairs = PAIRS if spec.get("pairs") is None else spec["pairs"]
    for split, count in pairs.items():
        if split not in SPLITS or not (count == "all" or (type(count) is int and count >= 0)):
            raise ValueError(
                f'pairs must give train, val or test a number of scans or "all", and gives {split!r} {count!r}'
            )
    return {"scanner": name, "families": tuple(families), "pairs": dict(pairs)}


@lru_cache(maxsize=8)
def _planned(text: str) -> pd.DataFrame:
    """The plan of a specification in JSON."""
    spec = json.loads(text)
    chosen, parts = options(spec), []
    for place, split in enumerate(SPLITS):
        clean, artifact = spec[split]
        table = people(clean + artifact, place, spec["seed"])
        table.insert(0, "split", split)
        table = deal(table, artifact, (spec["seed"], place, PLAN, 1), chosen["families"])
        wanted = chosen["pairs"].get(split, 0)
        table["pair"] = np.arange(len(table)) < (len(table) if wanted == "all" else wanted)
        parts.append(table)
    table = pd.concat(parts, ignore_index=True)
    splits, numbers = divmod(table["base_subject"], APART[0])
    names = [f"sub-{number:06d}" for number in splits * APART[1] + numbers + 1]
    table.insert(1, "subject", names)
    table["image"] = [
        f"{subject}/anat/{subject}_run-{run}_{contrast}{'w' if contrast != 'FLAIR' else ''}.nii.gz"
        for subject, run, contrast in zip(names, table["scan"] + 1, table["contrast"], strict=True)
    ]
    return table


def people(scans: int, place: int, seed: int) -> pd.DataFrame:
    """Subjects of a split and the contrasts of their scans."""
    rng = np.random.default_rng([seed, place, PLAN, 0])
    rows, base = [], place * APART[0]
    while len(rows) < scans:
        count = min(1 + int(rng.choice(4, p=PER_SUBJECT)), scans - len(rows))
        chosen = rng.choice(CONTRASTS, size=count, replace=False, p=[WEIGHTS[name] for name in CONTRASTS])
        rows += [(base, scan, str(contrast)) for scan, contrast in enumerate(chosen)]
        base += 1
    table = pd.DataFrame(rows, columns=["base_subject", "scan", "contrast"])
    return table.astype({"base_subject": int, "scan": int})


def deal(table: pd.DataFrame, artifacts: int, key: tuple[int, ...], families: tuple[str, ...]) -> pd.DataFrame:
    """Deal labels, and artifacts in the proportions of the mix, evenly within every contrast."""
    shares = mix(families)
    label, kinds = np.zeros(len(table), int), np.full(len(table), "", object)
    streams = [np.random.default_rng([*key, number]) for number in range(len(CONTRASTS))]
    rows = [np.flatnonzero(table["contrast"] == contrast) for contrast in CONTRASTS]
    for these, rng in zip(rows, streams, strict=True):
        if artifacts and len(these):
            label[these] = spread(len(these), Fraction(artifacts, len(table)), rng)
    settle(label, rows, artifacts)
    edges = np.cumsum(list(shares.values()))
    for these, rng in zip(rows, np.random.default_rng([*key, len(CONTRASTS)]).random(len(CONTRASTS)), strict=True):
        bad = these[label[these] == 1]
        # Only artifact scans take part; clean ones with a missed artifact draw its kind freely.
        places = (rng + GOLDEN * np.arange(len(bad))) % 1
        cards = np.minimum(np.searchsorted(edges, places, "right"), len(shares) - 1)
        kinds[bad] = np.array(list(shares), object)[cards]
    return table.assign(label=label, artifact=kinds)


def spread(count: int, share: Fraction, rng: np.random.Generator) -> np.ndarray:
    """Labels (count,): a random one of every 1 / share rows is 1, from a random phase on; not bent to a total."""
    phase = Fraction(int(rng.integers(64)), 64)
    label = np.zeros(count, int)
    for block, draw in enumerate(rng.random(floor(count * share + phase) + 1)):
        first, last = ceil((block - phase) / share), ceil((block + 1 - phase) / share)
        chosen = first + int(draw * (last - first))
        if 0 <= chosen < count:
            label[chosen] = 1
    return label


def settle(label: np.ndarray, rows: list[np.ndarray], artifacts: int) -> None:
    """Make the number of artifacts exact, in place: turn the last rows of the contrasts that are furthest off."""
    share = artifacts / max(len(label), 1)
    while (missing := artifacts - label.sum()) != 0:
        wrong = int(missing < 0)
        lacks = [
            (share * len(these) - label[these].sum()) * np.sign(missing) if (label[these] == wrong).any() else -np.inf
            for these in rows
        ]
        these = rows[int(np.argmax(lacks))]
        label[these[label[these] == wrong][-1]] = 1 - wrong
