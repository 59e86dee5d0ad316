"""Every choice of an experiment, once, with its source: what is trained, on what, and how it is judged.

Sources: P the papers, C the authors' code, O ours. A recipe enters fingerprints by its values, so editing one recipe,
or adding another, repeats nothing else. This module loads no torch.

Three profiles: ``smoke`` shows that everything runs (its numbers mean nothing), ``quick`` is for a laptop and makes the
committed figures, ``paper`` has the papers' sizes and wants a GPU.
"""

from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from xiqa.runner.fingerprints import device_kind

TOLERANCE = 15  # px, at every image size (C: their scripts use it at 600 and at 224 alike)
TOLERANCE_MIDL = 25  # px (C: midl branch)
TOLERANCES = (4, 8, 10, 15, 20, 25, 30, 40)  # px (O: the figure over tolerances)
SMOOTHING = {"sigma": 1.0, "size": 11}  # px (C)
DELTA = 0.02  # smallest difference of pointing-game scores that matters to a claim (O)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Pretext:
    """Name small shapes on noise: the offline stand-in for ImageNet weights (O)."""

    network: str
    images: int = 3200
    size: int = 64  # px
    epochs: int = 3
    batch: int = 64
    optimiser: str = "adamw"
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-2
    schedule: str = "cosine"
    warmup: int = 40  # steps
    stochastic_depth: bool = False  # EfficientNet's: leaving out whole blocks is too much for a few hundred steps
    precision: str = "auto"
    seed: int = 0
    kinds: int = 8


@dataclass(frozen=True)
class Classifier:
    """Train a classifier of two classes and keep the epoch of the best validation AUC (C)."""

    dataset: str
    network: str
    seed: int
    start: str = "pretext"  # pretext | imagenet | random
    size: int = 600  # px, square (P)
    epochs: int = 20
    batch: int = 16
    optimiser: str = "sgd"
    learning_rate: float = 0.005
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "step"  # times 0.1 at ``drop``
    drop: int = 5  # epoch
    warmup: int = 499  # steps, linear from 1/1000, at most one epoch
    flip: bool = True
    rotate: float = 30.0  # degrees
    translate: float = 0.1  # share of the side
    scale: tuple[float, float] = (0.95, 1.05)
    shear: float = 0.1  # degrees
    jitter: float = 0.4  # brightness and contrast; saturation and hue do nothing to a grey image
    stochastic_depth: bool = True  # EfficientNet's, as torchvision sets it
    precision: str = "auto"


@dataclass(frozen=True)
class Profile:
    """One size of the whole paper."""

    name: str
    embedded: dict[str, dict]  # data set -> what is simulated
    pretexts: tuple[Pretext, ...]
    classifiers: tuple[Classifier, ...]
    heads: int = 3  # untrained heads averaged over in FR and SR (O)
    shown: int = 6  # images in the example figures
    maps_batch: int = 8
    meaning: str = ""
    missing: dict[str, str] = field(default_factory=dict)  # recipe that this profile leaves out -> why

    def pretext(self, network: str) -> Pretext:
        """The pretext of a network."""
        return next(p for p in self.pretexts if p.network == network)

    def networks(self, dataset: str) -> list[str]:
        """Networks trained on a data set; the first is the study's primary one."""
        return list(dict.fromkeys(c.network for c in self.classifiers if c.dataset == dataset))

    def seeds(self, dataset: str, network: str) -> list[int]:
        """Seeds that a network is trained with on a data set."""
        return [c.seed for c in self.classifiers if (c.dataset, c.network) == (dataset, network)]


def _smoke() -> Profile:
    small = {"size": 64, "epochs": 1, "batch": 8, "warmup": 2, "schedule": "cosine"}
    return Profile(
        name="smoke",
        meaning="tiny data and one epoch: shows that everything runs, its numbers mean nothing",
        embedded={"object_cxr": {"size": 96, "train": 48, "val": 24, "test": 24, "seed": 0}},
        pretexts=(Pretext("resnet18", images=256, epochs=1, batch=32, warmup=2),),
        classifiers=tuple(Classifier("object_cxr", "resnet18", seed, **(small | {"size": 96})) for seed in (0, 1)),
        heads=2,
        shown=3,
        missing={"object_cxr-efficientnet_b0": "the smoke profile trains resnet18 only"},
    )


def _quick() -> Profile:
    ours = {
        "size": 160,
        "epochs": 4,
        "batch": 32,
        "optimiser": "adamw",
        "learning_rate": 2e-4,
        "weight_decay": 1e-2,
        "schedule": "cosine",
        "warmup": 40,
        "rotate": 5.0,
        "translate": 0.05,
        "shear": 0.0,
        "jitter": 0.2,
        "stochastic_depth": False,
    }
    # EfficientNet-B0 learns later and wants more steps (O: four epochs at 1e-3 reached a test AUC of 0.63 only).
    efficient = ours | {"learning_rate": 5e-4, "batch": 16, "epochs": 5}
    return Profile(
        name="quick",
        meaning="small embedded data and a few epochs on a laptop: the claims are tested, the numbers only shown",
        embedded={"object_cxr": {"size": 160, "train": 900, "val": 120, "test": 200, "seed": 0}},
        pretexts=(
            Pretext("resnet34"),
            Pretext("efficientnet_b0", images=4000, epochs=4, batch=32, learning_rate=2e-3),
        ),
        classifiers=(
            *(Classifier("object_cxr", "resnet34", seed, **ours) for seed in (0, 1, 2)),
            Classifier("object_cxr", "efficientnet_b0", 0, **efficient),
        ),
    )


def _paper() -> Profile:
    # R_34_1x_DA (C). EfficientNet-B0's recipe is not public: the same one is used (O).
    return Profile(
        name="paper",
        meaning="the papers' sizes, networks and training recipes",
        embedded={"object_cxr": {"size": 600, "train": 8000, "val": 1000, "test": 1000, "seed": 0}},
        pretexts=(
            Pretext("resnet34", images=50_000, epochs=10, warmup=500),
            Pretext("efficientnet_b0", images=50_000, epochs=10, warmup=500, learning_rate=3e-3),
        ),
        classifiers=tuple(
            Classifier("object_cxr", network, seed) for network in ("resnet34", "efficientnet_b0") for seed in (0, 1, 2)
        ),
        maps_batch=4,
    )


PROFILES = {profile.name: profile for profile in (_smoke(), _quick(), _paper())}

# What each notebook makes ...
PRODUCTS = {
    "01_data": ["table_datasets", "fig_datasets"],
    "02_training": ["table_1_classifiers", "fig_training"],
    "03_saliency": ["fig_examples_object_cxr", "fig_layers", "fig_smoothing", "fig_failures"],
    "05_pointing_game": [
        "table_2_smoothing",
        "table_4_object_cxr",
        "table_5_architectures",
        "midl_table_2",
        "fig_tolerance",
        "fig_consistency",
        "table_claims_saliency",
    ],
}

# ... and what it does not make yet, with the reason that the report prints.
_LVOT, _MRI = "the cardiac MR task is not in this version", "the brain MRI study is not in this version"
NOT_RUN = {
    "table_audit": "the audit of the simulated films (null world, nuisance classifiers) is not in this version",
    "fig_mri_artifacts": _MRI,
    "fig_mri_training": _MRI,
    "fig_mri_learning_rate": _MRI,
    "fig_examples_lvot": _LVOT,
    "table_3_lvot": _LVOT,
    "fig_randomisation": "notebook 04 (cascading randomisation) is not in this version",
    "table_randomisation": "notebook 04 (cascading randomisation) is not in this version",
    "table_published_vs_corrected": "the published programs' defects are not reproduced in this version",
    "table_localisation": "localisation beyond the pointing game is not in this version",
    "table_mri_convergence": _MRI,
    "table_mri_referral": _MRI,
    "fig_mri_convergence": _MRI,
    "fig_mri_roc": _MRI,
    "fig_mri_referral": _MRI,
    "fig_mri_udm_dffmr": _MRI,
    "fig_mri_flips": _MRI,
    "fig_mri_calibration": _MRI,
    "fig_mri_saliency": _MRI,
    "table_mri_headline": _MRI,
    "table_mri_experiments": _MRI,
    "fig_mri_ramp": _MRI,
    "fig_mri_confusion": _MRI,
    "table_claims_mri": _MRI,
}


def recipe_names(profile: str, weights: str | None = None) -> list[str]:
    """Names of everything that the profile trains, pretexts first."""
    return list(training_steps(profile, weights))


def training_steps(profile: str, weights: str | None = None) -> dict[str, tuple[str, ...]]:
    """Name of each recipe -> names of the recipes whose weights it starts from.

    With ``weights="imagenet"`` the networks start from torchvision's weights and no pretext is trained.
    """
    chosen = PROFILES[profile]
    pretexts = {} if weights == "imagenet" else {f"pretext-{p.network}": () for p in chosen.pretexts}
    trained = {}
    for c in chosen.classifiers:
        needs = (f"pretext-{c.network}",) if f"pretext-{c.network}" in pretexts and c.start == "pretext" else ()
        trained[classifier_name(c.dataset, c.network, c.seed)] = needs
    return pretexts | trained


def classifier_name(dataset: str, network: str, seed: int) -> str:
    """The name of a training: ``object_cxr-resnet34-s0``."""
    return f"{dataset}-{network}-s{seed}"


def recipe(profile: str, name: str, weights: str | None = None) -> Pretext | Classifier:
    """The recipe of that name, with the precision that this machine is fast in.

    Raises
    ------
    ValueError : no such recipe in the profile.

    """
    chosen = PROFILES[profile]
    named = {f"pretext-{p.network}": p for p in chosen.pretexts}
    named |= {classifier_name(c.dataset, c.network, c.seed): c for c in chosen.classifiers}
    if name not in named:
        raise ValueError(f"profile {profile} has no recipe {name!r}: it has {', '.join(named)}")
    found = named[name]
    if weights == "imagenet" and isinstance(found, Classifier) and found.start == "pretext":
        found = replace(found, start="imagenet")
    return replace(found, precision=precision(found.network)) if found.precision == "auto" else found


def resolved(profile: str, name: str | None, weights: str | None = None) -> dict:
    """Plain values that a step's result depends on: one recipe, or the whole profile."""
    if name is not None:
        return asdict(recipe(profile, name, weights))
    chosen = PROFILES[profile]
    every = {each: asdict(recipe(profile, each, weights)) for each in training_steps(profile, weights)}
    judged = {"tolerances": [TOLERANCE, TOLERANCE_MIDL, *TOLERANCES], "smoothing": SMOOTHING, "delta": DELTA}
    plain = {key: value for key, value in asdict(chosen).items() if key not in ("pretexts", "classifiers")}
    return {"trained": every, "judged": judged, "profile": plain}


def embedded_specs() -> list[tuple[str, str, dict]]:
    """(profile, data set, what is simulated) of every embedded data set that some profile uses."""
    return [(p.name, name, spec) for p in PROFILES.values() for name, spec in p.embedded.items()]


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
