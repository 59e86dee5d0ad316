"""What a recipe holds: a pretext, a classifier of images, a classifier of volumes; and a profile, which holds recipes.

Sources: P the papers, C the authors' code, O ours. Defaults are the papers' sizes.
"""

from dataclasses import dataclass, field, replace


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
    zero_residual: bool = False  # ResNets: residual blocks begin as the identity
    precision: str = "auto"
    seed: int = 0
    kinds: int = 8


@dataclass(frozen=True)
class Textures(Pretext):
    """Name textures: the pretext without any object, so that the backbone learns no object (O)."""


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
class VolumeClassifier:
    """Train a 3D network to separate scans with an artifact from clean ones (Pizarro et al.: C unless marked).

    All arms spend the same number of gradient steps, those of the priming they start from included (O).
    """

    arm: str  # what the recipe is called: priming, baseline, primed, focal, ramp ...
    seed: int
    network: str = "vggnet3d"
    dataset: str = "mri"
    shape: tuple[int, int, int] = (256, 256, 64)
    intensity: str = "zscore"  # zscore | log (O): scale of the input, of ``xiqa.data.geometry.preprocess``
    start: str = "random"  # random | priming: the weights of the priming stage
    stage: str = "imbalanced"  # imbalanced: the whole training split; priming: its artifacts and as many clean scans
    steps: int = 208_790  # gradient steps in all; 50 epochs of 20,879 scans at batch 5
    batch: int = 5
    optimiser: str = "nadam"  # nadam | adamw (O)
    weight_decay: float = 0.0
    schedule: str = "cycle"  # cycle: triangular, one an epoch | one_cycle: warm-up, then half a cosine (O)
    rates: tuple[float, float] = (1e-6, 1e-3)  # lowest and highest
    decay: int = 10  # the cycle's amplitude decays to a millionth over so many last epochs, at most a fifth of all
    loss: str = "cross_entropy"  # cross_entropy | focal
    gamma: float = 2.0  # of the focal loss
    class_weights: bool = False  # max(n) / n of each epoch's set
    sampler: str = "shuffled"  # shuffled | balanced: both classes equally often (O)
    ramp_epochs: int = 0  # epochs over which the clean share grows; 0: the whole set from the start
    share: float = 1.0  # of its set that an epoch shows, so that few steps make as many epochs (O)
    flip: bool = False  # random flips along all three axes
    validations: int = 8  # at most so many, evenly spread, and the last epoch (O); they select nothing
    precision: str = "auto"


@dataclass(frozen=True)
class Profile:
    """One size of the whole paper."""

    name: str
    embedded: dict[str, dict]  # data set -> what is simulated
    shifted: dict[str, int | list[int]]  # data set -> size of the test split of its "other scanner" set
    pretexts: tuple[Pretext, ...]
    classifiers: tuple[Classifier, ...]
    volumes: tuple[VolumeClassifier, ...]
    textures: tuple[Textures, ...] = ()
    samples: int = 100  # Monte Carlo samples (C)
    heads: int = 3  # untrained heads averaged over in FR and SR (O)
    randomised: int = 8  # images that the randomisation of networks is judged on
    untrained: int | None = None  # units that untrained networks are explained on; None: all (O)
    localised: int = 1  # seeds whose maps are judged beyond the pointing game (O)
    perturbed: int = 8  # images that insertion and deletion are computed for (O)
    shown: int = 6  # images in the example figures
    maps_batch: int = 8
    meaning: str = ""
    missing: dict[str, str] = field(default_factory=dict)  # recipe that this profile leaves out -> why

    def other_scanner(self, dataset: str) -> dict:
        """What is simulated of the shifted set of a data set: its test split, of other things, by another scanner."""
        spec = self.embedded[dataset]
        few = [2, 2] if dataset == "mri" else 8
        sizes = {"train": few, "val": few, "test": self.shifted[dataset]}
        return {**spec, "scanner": "other", **sizes, "pairs": {}, "stored": True}

    def pretext(self, network: str) -> Pretext:
        """The pretext of a network."""
        return next(p for p in self.pretexts if p.network == network)

    def networks(self, dataset: str) -> list[str]:
        """Networks trained on a data set; the first is the study's primary one."""
        return list(dict.fromkeys(c.network for c in self.classifiers if c.dataset == dataset))

    def seeds(self, dataset: str, network: str) -> list[int]:
        """Seeds that a network is trained with on a data set."""
        return [c.seed for c in self.classifiers if (c.dataset, c.network) == (dataset, network)]

    def arms(self) -> list[str]:
        """Names of the recipes of the MRI study, the priming stage first."""
        return [volume_name(v) for v in self.volumes]


def classifier_name(dataset: str, network: str, seed: int) -> str:
    """The name of a training: ``object_cxr-resnet34-s0``."""
    return f"{dataset}-{network}-s{seed}"


def volume_name(recipe: VolumeClassifier) -> str:
    """The name of a training of the MRI study: ``mri-vggnet3d-ramp-s0``."""
    return f"{recipe.dataset}-{recipe.network}-{recipe.arm}-s{recipe.seed}"


def priming_name(recipe: VolumeClassifier) -> str:
    """The priming stage whose weights an arm starts from: that of its seed."""
    return volume_name(replace(recipe, arm="priming"))


Recipe = Pretext | Classifier | VolumeClassifier
