"""From line integrals to a film: Beer-Lambert, scatter, noise, detector, processing, tone, collimation, side marker."""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from xiqa.synthetic.chest.geometry import View

MARKERS = {
    "R": [[(0, 0), (0, 10)], [(0, 0), (4.5, 0), (6, 1.5), (6, 3.5), (4.5, 5), (0, 5)], [(2.8, 5), (6.4, 10)]],
    "L": [[(0, 0), (0, 10), (6, 10)]],
}


@dataclass
class Exposure:
    """Exposure and processing of a film, independent of its content."""

    scatter: float  # scattered against primary light behind 100 mm of tissue
    photons: float  # per mm^2 without a patient
    blur: float  # spread of the detector, mm
    compress: float  # how much of the large differences in tone is taken out
    detail: float  # edge enhancement
    dark: float  # tone of lung
    bright: float  # tone of the mediastinum
    curve: str  # family of the tone curve
    shutters: np.ndarray  # uncovered margin on each side (top, bottom, left, right), share of the film
    shutter_tone: float
    corner: float = 0.0  # radius of the open field's corners, share of the film


# Families of tone curves: a scale on which the curve is a straight line, and its inverse to tones in (0, 1).
CURVES = {
    "logistic": (lambda tone: np.log(tone / (1 - tone)), lambda level: 1 / (1 + np.exp(-level))),
    # Long shoulder, short toe, as of film between intensifying screens.
    "gompertz": (lambda tone: -np.log(-np.log(tone)), lambda level: np.exp(-np.exp(-np.clip(level, -30, 30)))),
}


def exposure(rng: np.random.Generator, scanner: str = "usual") -> Exposure:
    """Draw how a film is made; ``scanner`` as in ``xiqa.synthetic.chest.draw``."""
    return {"usual": usual, "other": other}[scanner](rng)


def usual(rng: np.random.Generator) -> Exposure:
    """Digital detectors of a hospital."""
    closed = rng.random(4) < rng.choice([0.0, 0.25, 0.9], p=[0.45, 0.3, 0.25])
    return Exposure(
        scatter=rng.uniform(0.08, 0.3),
        photons=float(np.exp(rng.uniform(np.log(3e4), np.log(4e5)))),
        blur=rng.uniform(0.25, 0.6),
        compress=rng.uniform(0.1, 0.45),
        detail=rng.uniform(0.2, 1.1),
        dark=rng.uniform(0.1, 0.24),
        bright=rng.uniform(0.84, 0.97),
        curve="logistic",
        shutters=np.where(closed, rng.uniform(0.005, 0.05, 4), 0.0),
        shutter_tone=float(rng.choice([0.0, 0.03, 1.0], p=[0.7, 0.25, 0.05])),
    )


def other(rng: np.random.Generator) -> Exposure:
    """A mobile unit without a grid: more scatter, fewer photons, another tone curve, rounded and closer collimation."""
    return Exposure(
        scatter=rng.uniform(0.35, 0.6),
        photons=float(np.exp(rng.uniform(np.log(4e3), np.log(2e4)))),
        blur=rng.uniform(0.5, 0.9),
        compress=rng.uniform(0.0, 0.15),
        detail=rng.uniform(0.0, 0.4),
        dark=rng.uniform(0.2, 0.34),
        bright=rng.uniform(0.72, 0.86),
        curve="gompertz",
        shutters=rng.uniform(0.02, 0.075, 4),
        shutter_tone=float(rng.choice([0.0, 0.5, 1.0], p=[0.5, 0.2, 0.3])),
        corner=float(rng.uniform(0.08, 0.22)),
    )


class Chain:
    """One film's imaging chain, its levels set on the film without foreign objects.

    Setting scatter and tone levels there keeps everything but the objects themselves the same with and without them.
    """

    def __init__(self, given: Exposure, attenuation: np.ndarray, lungs: np.ndarray, view: View, noise: np.ndarray):
        self.given, self.view = given, view
        # The detector's blur correlates the noise too.
        self.noise = gaussian_filter(noise, 0.5 * given.blur / view.pixel + 0.25, truncate=3)
        coarse = max(view.side // 80, 1)
        small = attenuation[coarse // 2 :: coarse, coarse // 2 :: coarse]
        source = np.exp(-small) * small / 2
        spread = gaussian_filter(source, 38 / (view.pixel * coarse), mode="nearest")
        self.scatter = given.scatter * enlarge(spread, view.side)
        self.clean = self.exposed(attenuation)
        self.base = self.smooth(self.clean)
        field = lungs if lungs.any() else np.ones_like(lungs)
        enhanced = self.enhance(self.clean)
        rows = slice(int(view.side * 0.2), int(view.side * 0.9), 3)
        self.low = float(np.median(enhanced[field]))
        self.high = float(np.quantile(enhanced[rows, ::3], 0.97))
        self.plain = self.tone(enhanced)
        self.enhanced = enhanced

    def smooth(self, logs: np.ndarray) -> np.ndarray:
        """The large differences in tone: a wide blur."""
        coarse = max(self.view.side // 100, 1)
        small = np.clip(logs, 0, None)[coarse // 2 :: coarse, coarse // 2 :: coarse]
        return enlarge(gaussian_filter(small, 24 / (self.view.pixel * coarse), mode="nearest"), self.view.side)

    def exposed(self, attenuation: np.ndarray, noise: np.ndarray | None = None) -> np.ndarray:
        """Minus the logarithm of the exposure: primary and scattered light, detector blur, quantum noise."""
        light = np.exp(-attenuation) + self.scatter
        light = gaussian_filter(light, self.given.blur / self.view.pixel, truncate=3)
        if noise is not None:
            light = light + noise * np.sqrt(light / (self.given.photons * self.view.pixel**2))
        return -np.log(np.maximum(light, 1e-4))

    def enhance(self, logs: np.ndarray) -> np.ndarray:
        """Processing before display: compresses large differences and enhances edges."""
        fine = blurred(logs, 2.2 / self.view.pixel)
        return logs - np.float32(self.given.compress) * self.base + np.float32(self.given.detail) * (logs - fine)

    def tone(self, enhanced: np.ndarray) -> np.ndarray:
        """Curve that carries the lungs to the tone ``dark`` and the mediastinum to ``bright``; values in (0, 1)."""
        scale, back = CURVES[self.given.curve]
        low, high = float(scale(self.given.dark)), float(scale(self.given.bright))
        slope = (high - low) / max(self.high - self.low, 0.2)
        return back(low + slope * (enhanced - np.float32(self.low)))

    def film(self, attenuation: np.ndarray) -> np.ndarray:
        """The finished film in [0, 1], float32 (side, side), before it is brought to its size."""
        return self.shutter(self.tone(self.enhance(self.exposed(attenuation, self.noise))))

    def open_field(self, margin: float = 0.0) -> np.ndarray:
        """Mask of the open field (side, side), less a margin in mm."""
        side = self.view.side
        top, bottom, left, right = np.round(self.given.shutters * side + margin / self.view.pixel).astype(int)
        field = np.zeros((side, side), bool)
        field[top : side - bottom, left : side - right] = True
        return field & self.rounded(margin) if self.given.corner else field

    def rounded(self, margin: float) -> np.ndarray:
        """Within the rounded corners of the open field, bool (side, side), less a margin in mm."""
        side, radius = self.view.side, self.given.corner * self.view.side
        top, bottom, left, right = self.given.shutters * side
        axis = np.arange(side)
        x = np.maximum(np.maximum(left + radius - axis, axis - (side - 1 - right - radius)), 0)
        y = np.maximum(np.maximum(top + radius - axis, axis - (side - 1 - bottom - radius)), 0)
        return np.hypot(x, y[:, None]) <= max(radius - margin / self.view.pixel, 1)

    def shutter(self, film: np.ndarray) -> np.ndarray:
        """Cover the film outside the collimated field."""
        return np.where(self.open_field(), film, np.float32(self.given.shutter_tone))


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur by ``sigma`` pixels, done on a coarser grid where that is wide."""
    step = int(sigma // 3)
    if step < 2:
        return gaussian_filter(image, sigma, truncate=3)
    side = image.shape[0] // step * step
    small = np.asarray(Image.fromarray(image[:side, :side]).reduce(step))
    # The mean over a block widens the blur a little.
    small = gaussian_filter(small, np.sqrt(max((sigma / step) ** 2 - 1 / 12, 0.1)), truncate=3)
    spare = image.shape[0] - side
    return np.pad(enlarge(small, side), ((0, spare), (0, spare)), mode="edge") if spare else enlarge(small, side)


def enlarge(small: np.ndarray, side: int) -> np.ndarray:
    """Bring a coarse square image to ``side`` x ``side``, smoothly."""
    return np.asarray(Image.fromarray(small.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
