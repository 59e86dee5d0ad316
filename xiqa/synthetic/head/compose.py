"""One scan: a subject, a contrast, the acquisition with its nuisances, an artifact or none, and a simulated rating."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import torch

from xiqa.synthetic import kspace
from xiqa.synthetic.head import acquisition, anatomy, artifacts, contrast
from xiqa.synthetic.head.scanner import scanner as find_scanner

VERSION = 2
PROTOCOL, ANATOMY, SEQUENCE, NUISANCE, RECEIVE, NOISE, ARTIFACT, RATER, HEADER = range(9)  # streams
TRIES = 12  # severities drawn until the rater sees an artifact
PASSED = 0.12  # share of the clean scans with an artifact that the rater missed


@dataclass
class Scan:
    """A scan as it is stored, with its record.

    Attributes
    ----------
    array : int16, axes as stored.
    affine : (4, 4) voxel to scanner millimetres (right, front, up).
    mask : bool as ``array``, where a local artifact changed the picture by more than three standard deviations of
        noise; None for scans without and for artifacts that are everywhere.
    about : plain values: artifact, family, axis, severity, unit, damage, rater_probability and more.
    without : int16 as ``array``, the same scan without its artifact; None where there is none, or it was not requested.
    """

    array: np.ndarray
    affine: np.ndarray
    mask: np.ndarray | None
    about: dict = field(default_factory=dict)
    without: np.ndarray | None = None


@dataclass
class Exposure:
    """All that a scan is made of but its artifact.

    Attributes
    ----------
    lines : complex64, k-space of the canvas as `kspace.read` takes it, in units of the reference tissue's signal.
    signal : its image, complex64. plain : magnitude on the canvas without an artifact.
    sigma : standard deviation of the noise; noise_seed : of its generator.
    shape : about the number of voxels that networks see.
    """

    lines: torch.Tensor
    sigma: float
    noise_seed: int
    given: acquisition.Protocol
    nuisance: acquisition.Nuisance
    sequence: contrast.Sequence
    shape: tuple[int, int, int]

    def __post_init__(self):
        self.plain = kspace.read(self.lines.clone(), self.sigma, generator=self.noise())

    @cached_property
    def signal(self) -> torch.Tensor:
        """Only artifacts need it: a scan without one is read from the very lines, which saves two transforms."""
        return torch.fft.ifftn(self.lines, norm="ortho")

    def noise(self) -> torch.Generator:
        """The generator of the noise, always the same."""
        return torch.Generator().manual_seed(self.noise_seed)

    def acquire(self, operator: Callable) -> torch.Tensor:
        """Magnitude on the canvas with an artifact, a function of the complex image."""
        return kspace.acquire(self.signal, operator, noise=self.sigma, generator=self.noise())

    def crop(self, canvas: torch.Tensor, shift: np.ndarray | int = 0) -> torch.Tensor:
        """The acquisition matrix, off centre by the nuisance and a shift in voxels."""
        offsets = (self.nuisance.offset + shift).tolist()
        return kspace.crop(canvas, self.given.matrix, offsets)


def stream(seed: int, subject: int, *purpose: int) -> np.random.Generator:
    """Random numbers for one purpose."""
    return np.random.default_rng([seed, subject, *purpose])


@lru_cache(maxsize=1)
def visit(
    seed: int, subject: int, shape: tuple[int, int, int], scanner: str = "usual"
) -> tuple[acquisition.Protocol, anatomy.Subject]:
    """A subject and how they are scanned; shared by all their scans."""
    given = acquisition.protocol(shape, find_scanner(scanner), stream(seed, subject, PROTOCOL))
    return given, anatomy.subject(given.canvas, given.field, stream(seed, subject, ANATOMY))


def draw(
    seed: int,
    subject: int,
    scan: int,
    label: int,
    shape: tuple[int, int, int],
    weighting: str | None = None,
    artifact: str | None = None,
    severity: float | None = None,
    *,
    scanner: str = "usual",
    families: Sequence[str] = artifacts.FAMILIES,
    pair: bool = False,
) -> Scan:
    """Draw a scan that a rater calls an artifact (label 1) or clean (label 0).

    Parameters
    ----------
    seed, subject, scan : key of the subject and the scan; label and artifact change no other draw.
    label : the rating. The severity of an artifact is drawn until the rating agrees; a few clean
        scans bear an artifact that they passed.
    shape : about as many voxels as wanted (right, front, up); every visit varies them.
    weighting : "T1", "T2", "PD" or "FLAIR"; None draws one.
    artifact : a key of ``artifacts.KINDS``; None draws one.
    severity : if given, in the artifact's unit, without a rating; 0 is the scan without the artifact.
    scanner : a key of ``scanner.SCANNERS``.
    families : of which artifacts are drawn.
    pair : whether the scan without its artifact is wanted as well.
    """
    key, site = (seed, subject, scan), find_scanner(scanner)
    given, who = visit(seed, subject, tuple(shape), scanner)
    about_sequence = stream(*key, SEQUENCE)
    drawn = str(about_sequence.choice(contrast.CONTRASTS))
    made = expose(given, who, weighting or drawn, tuple(shape), key, about_sequence, site)
    if severity is None:
        found = rated(label, artifact, made, given, who, key, families)
    else:
        rng, volume = stream(*key, ARTIFACT, 0), made.sequence.volume
        plan = artifacts.plan(artifact, rng, given, severity, volume=volume, families=families)
        found = artifacts.apply(plan, made, given, who) if severity else None
    result = finish(found, made, given, key)
    result.about["scanner"] = scanner
    if pair and found is not None:
        result.without = finish(None, made, given, key).array
    return result


def expose(given, who, weighting: str, shape, key: tuple[int, int, int], rng: np.random.Generator, site) -> Exposure:
    """The signal of a scan, its noise and its nuisances."""
    sequence = contrast.sequence(weighting, rng, site)
    values = contrast.signals(sequence, rng, site)
    # Scanners adjust their gain: the reference tissue has the same value in all contrasts.
    values = values / contrast.reference(weighting, values)
    nuisance = acquisition.nuisance(given, site, stream(*key, NUISANCE))
    bright = torch.tensordot(torch.from_numpy(values).float(), who.shares, dims=1)
    signal = bright * acquisition.receive(given.canvas, nuisance.bias, stream(*key, RECEIVE), site.centre)
    lines = acquisition.unsteady(signal, given, nuisance)
    noise_seed = int(stream(*key, NOISE).integers(2**62))
    return Exposure(lines, nuisance.noise, noise_seed, given, nuisance, sequence, shape)


def rated(label: int, artifact: str | None, made: Exposure, given, who, key, families) -> artifacts.Found | None:
    """The artifact of a scan of this label, or None: draws severities until the simulated rater agrees."""
    rater = stream(*key, RATER)
    common = {"volume": made.sequence.volume, "families": families}
    if not label:
        if rater.random() >= PASSED:
            return None
        plan = artifacts.plan(artifact, stream(*key, ARTIFACT, 0), given, mild=True, **common)
        found = artifacts.apply(plan, made, given, who)
        return found if rater.random() >= found.probability else None
    most = None
    for attempt in range(TRIES):
        plan = artifacts.plan(artifact, stream(*key, ARTIFACT, attempt), given, **common)
        found = artifacts.apply(plan, made, given, who)
        artifact = plan.name
        if rater.random() < found.probability:
            return found
        if most is None or found.probability > most.probability:
            most = found
    return most


def finish(found, made: Exposure, given, key) -> Scan:
    """Crop, store and describe."""
    magnitude = made.crop(made.plain) if found is None else made.crop(found.magnitude, found.shift)
    array = acquisition.stored(magnitude, made.nuisance.gain)
    matrix = acquisition.affine(given, stream(*key, HEADER))
    mask = None if found is None or found.mask is None else found.mask.numpy()
    if mask is not None:
        mask, _ = acquisition.reorder(mask, matrix, given.stored)
    array, moved = acquisition.reorder(array, matrix, given.stored)
    return Scan(array, moved, mask, describe(found, made, given, key))


def describe(found, made: Exposure, given, key) -> dict:
    """Plain values for the sidecar."""
    seed, subject, scan = key
    about = {"version": VERSION, "seed": seed, "base_subject": subject, "scan": scan}
    about |= found.about() if found is not None else artifacts.NOTHING
    about["sequence"] = made.sequence.about()
    about["nuisance"] = {
        "noise": round(made.nuisance.noise, 4),
        "bias": round(made.nuisance.bias, 3),
        "drift_mm": [round(float(value), 3) for value in made.nuisance.drift],
        "ghost": round(made.nuisance.ghost, 4),
        "truncation": round(made.nuisance.truncation, 3),
        "offset_voxels": [int(value) for value in made.nuisance.offset],
    }
    about["voxel_mm"] = [round(float(value), 3) for value in given.voxel]
    about["phase_axis"], about["readout_axis"] = (acquisition.AXES[a] for a in (given.phase_axis, given.readout))
    return about
