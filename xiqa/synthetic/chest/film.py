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
    """How one film is exposed and processed; nothing here knows what is on it."""

    scatter: float  # scattered against primary light behind 100 mm of tissue
    photons: float  # per mm^2 without a patient
    blur: float  # spread of the detector, mm
    compress: float  # how much of the large differences in tone is taken out
    detail: float  # edge enhancement
    dark: float  # tone of lung
    bright: float  # tone of the mediastinum
    slope: float  # steepness of the tone curve
    shutters: np.ndarray  # uncovered margin on each side (top, bottom, left, right), share of the film
    shutter_tone: float


def exposure(rng: np.random.Generator) -> Exposure:
    """Draw how a film is made."""
    closed = rng.random(4) < rng.choice([0.0, 0.25, 0.9], p=[0.45, 0.3, 0.25])
    return Exposure(
        scatter=rng.uniform(0.08, 0.3),
        photons=float(np.exp(rng.uniform(np.log(3e4), np.log(4e5)))),
        blur=rng.uniform(0.25, 0.6),
        compress=rng.uniform(0.1, 0.45),
        detail=rng.uniform(0.2, 1.1),
        dark=rng.uniform(0.1, 0.24),
        bright=rng.uniform(0.84, 0.97),
        slope=rng.uniform(2.5, 5.0),
        shutters=np.where(closed, rng.uniform(0.005, 0.05, 4), 0.0),
        shutter_tone=float(rng.choice([0.0, 0.03, 1.0], p=[0.7, 0.25, 0.05])),
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
        """What digital radiography does before display: less of the large differences, more of the edges."""
        fine = gaussian_filter(logs, 2.2 / self.view.pixel, truncate=3)
        return logs - np.float32(self.given.compress) * self.base + np.float32(self.given.detail) * (logs - fine)

    def tone(self, enhanced: np.ndarray) -> np.ndarray:
        """Sigmoid that carries the lungs to the tone ``dark`` and the mediastinum to ``bright``; values in (0, 1)."""
        low, high = (np.log(t / (1 - t)) for t in (self.given.dark, self.given.bright))
        slope = (high - low) / max(self.high - self.low, 0.2)
        return 1 / (1 + np.exp(-(low + slope * (enhanced - np.float32(self.low)))))

    def film(self, attenuation: np.ndarray) -> np.ndarray:
        """The finished film in [0, 1], float32 (side, side), before it is brought to its size."""
        return self.shutter(self.tone(self.enhance(self.exposed(attenuation, self.noise))))

    def open_field(self, margin: float = 0.0) -> np.ndarray:
        """Where the shutters are open, bool (side, side), less a margin in mm."""
        side = self.view.side
        top, bottom, left, right = np.round(self.given.shutters * side + margin / self.view.pixel).astype(int)
        field = np.zeros((side, side), bool)
        field[top : side - bottom, left : side - right] = True
        return field

    def shutter(self, film: np.ndarray) -> np.ndarray:
        """Cover what lies outside the collimated field."""
        return np.where(self.open_field(), film, np.float32(self.given.shutter_tone))


def enlarge(small: np.ndarray, side: int) -> np.ndarray:
    """Bring a coarse square image to ``side`` x ``side``, smoothly."""
    return np.asarray(Image.fromarray(small.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
