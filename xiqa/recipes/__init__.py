"""Every choice of an experiment, once, with its source: trainings, data and evaluation.

Sources: P the papers, C the authors' code, O ours. A recipe enters fingerprints by its values, so editing one recipe,
or adding another, repeats nothing else. This module loads no torch.

Three profiles: ``smoke`` shows that everything runs (its numbers mean nothing), ``quick`` is for a laptop and makes the
committed figures, ``paper`` has the papers' sizes and wants a GPU.
"""

from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from xiqa.recipes.contents import DATASETS, IMAGES, PRODUCTS, SAMPLED, VOLUMES
from xiqa.recipes.kinds import (
    Classifier,
    Pretext,
    Profile,
    Recipe,
    Textures,
    VolumeClassifier,
    classifier_name,
    priming_name,
    volume_name,
)
from xiqa.recipes.profiles import PROFILES
from xiqa.recipes.revisions import REVISIONS, frozen
from xiqa.store.hardware import device_kind

__all__ = [
    "DATASETS", "IMAGES", "PRODUCTS", "PROFILES", "REVISIONS", "SAMPLED", "VOLUMES", "Classifier", "Pretext", "Profile",
    "Recipe", "Textures", "VolumeClassifier", "classifier_name", "frozen", "priming_name", "volume_name",
]  # fmt: skip

TOLERANCE = 15  # px, at every image size (C: their scripts use it at 600 and at 224 alike)
TOLERANCE_MIDL = 25  # px (C: midl branch)
TOLERANCES = (4, 8, 10, 15, 20, 25, 30, 40)  # px (O: the figure over tolerances)
SMOOTHING = {"sigma": 1.0, "size": 11}  # px (C)
# Methods that insertion and deletion are computed for: each costs twenty forward passes an image (O).
PERTURBED = ("gradcam", "guided_backprop", "normgrad_conv3x3_combined", "random")
DELTA = 0.02  # smallest difference of pointing-game scores that matters to a claim (O)
CONFIDENCE = 0.95
PREVALENCE = 0.02  # of artifacts, which enriched sets are reweighted to (P)
REVIEW_SHARES = (0.10, 0.25)  # of validation scans that a threshold of uncertainty refers (O; 0.24 in the paper)

NULL_STEPS = 60  # gradient steps of the MRI study's null world, at most (O)


def trainings(profile: str, weights: str | None = None) -> dict[str, tuple[str, ...]]:
    """Name of each training of a profile -> names of the trainings whose weights it starts from.

    With ``weights="imagenet"`` the 2D networks start from torchvision's weights and no pretext is trained.
    """
    chosen = PROFILES[profile]
    needs = {volume_name(v): (priming_name(v),) if v.start == "priming" else () for v in chosen.volumes}
    if weights != "imagenet":
        needs |= {f"pretext-{p.network}": () for p in chosen.pretexts}
        needs |= {f"textures-{p.network}": () for p in chosen.textures}
    for c in chosen.classifiers:
        pretext = f"pretext-{c.network}"
        starts = pretext in needs and c.start == "pretext"
        needs[classifier_name(c.dataset, c.network, c.seed)] = (pretext,) if starts else ()
    return needs


def recipe(profile: str, name: str, weights: str | None = None) -> Recipe:
    """The recipe of that name, with the precision that this machine is fast in; ValueError for an unknown name."""
    chosen = PROFILES[profile]
    named: dict[str, Recipe] = {f"pretext-{p.network}": p for p in chosen.pretexts}
    named |= {f"textures-{p.network}": p for p in chosen.textures}
    named |= {classifier_name(c.dataset, c.network, c.seed): c for c in chosen.classifiers}
    named |= {volume_name(v): v for v in chosen.volumes}
    if name not in named:
        raise ValueError(f"profile {profile} has no recipe {name!r}: it has {', '.join(named)}")
    found = named[name]
    if weights == "imagenet" and isinstance(found, Classifier) and found.start == "pretext":
        found = replace(found, start="imagenet")
    return replace(found, precision=precision(found.network)) if found.precision == "auto" else found


def resolved(profile: str, notebook: str, weights: str | None = None) -> dict:
    """Plain values that the products of a notebook depend on: the profile, and the recipes of its data sets."""
    chosen, read = PROFILES[profile], DATASETS[notebook]
    left_out = ("embedded", "pretexts", "textures", "classifiers", "volumes")
    values = {name: value for name, value in asdict(chosen).items() if name not in left_out}
    recipes = {name: asdict(recipe(profile, name, weights)) for name in trainings(profile, weights)}
    return {
        "profile": values | {"embedded": {name: chosen.embedded[name] for name in read}},
        "trained": {name: values for name, values in recipes.items() if values.get("dataset", IMAGES[0]) in read},
        "constants": {
            "tolerances": [TOLERANCE, TOLERANCE_MIDL, *TOLERANCES],
            "smoothing": SMOOTHING,
            "delta": DELTA,
            "perturbed": PERTURBED,
            "prevalence": PREVALENCE,
            "review": REVIEW_SHARES,
            "null_steps": NULL_STEPS,
        },
    }


def audited(profile: str) -> dict[str, str]:
    """Data set -> the training that the audit of the embedded data tests: the first seed of the primary network."""
    chosen = PROFILES[profile]
    found = {c.dataset: classifier_name(c.dataset, c.network, c.seed) for c in reversed(chosen.classifiers)}
    return found | {v.dataset: volume_name(v) for v in reversed(chosen.volumes) if v.arm == "ramp"}


def embedded_specs() -> list[tuple[str, str, dict]]:
    """(profile, data set, what is simulated) of every embedded data set that some profile uses."""
    usual = [(p.name, name, spec) for p in PROFILES.values() for name, spec in p.embedded.items()]
    return usual + [(p.name, name, p.other_scanner(name)) for p in PROFILES.values() for name in p.embedded]


def precision(network: str) -> str:
    """``bf16`` or ``32``: what trains faster here (``benchmarks/training_step.py`` measures it).

    bfloat16 pays on a GPU and on CPUs with AMX (1.8 to 3.3 times); EfficientNet's depthwise convolutions are slower in
    it on a CPU.
    """
    if device_kind() == "cuda":
        return "bf16"
    return "bf16" if _has_amx() and network != "efficientnet_b0" else "32"


@cache
def _has_amx() -> bool:
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
