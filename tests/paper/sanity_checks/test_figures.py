import io

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xiqa.paper.sanity_checks import figures
from xiqa.paper.sanity_checks.results import Cascade, SanityChecks


@pytest.fixture
def checks():
    rows = pd.DataFrame(
        [
            {"kind": kind, "method": "gradcam", "step": step, "layer": layer, "repeat": 0, "unit": unit}
            | {"spearman": value, "ssim": value, "hog": value, "degenerate": False, "flipped": False}
            for kind, step, layer in (("cascade", 0, "none"), ("cascade", 1, "head"), ("chance", -1, "-"))
            for unit, value in (("a", 0.25), ("b", 0.75))
        ]
    )
    maps = {step: {"gradcam": np.eye(32, dtype=np.float32)} for step in ("trained", "head")}
    return SanityChecks({"A": "n"}, {"A": rows}, {"A": Cascade(np.zeros((32, 32), np.uint8), [], maps)})


def test_the_figure_shows_its_numbers(checks):
    figure, numbers, caption = figures.randomisation(checks)
    (line,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_label() == "Grad-CAM"]
    assert line.get_ydata().tolist() == numbers.query("measure == 'spearman' and kind == 'cascade'")["mean"].tolist()
    assert "2 on A" in caption
    plt.close(figure)


def test_the_strip_is_a_small_picture(checks):
    picture = figures.cascade(checks, "A")
    assert Image.open(io.BytesIO(picture.data)).format == "JPEG"
    assert len(picture.data) < 100_000
    assert not plt.get_fignums()
