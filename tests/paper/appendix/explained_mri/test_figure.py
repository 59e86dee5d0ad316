import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from xiqa.data.geometry import Volume
from xiqa.paper.appendix.explained_mri.examples import Example
from xiqa.paper.appendix.explained_mri.figure import draw, saliency, title

mpl.use("Agg")


def example(peak, changed=()):
    """A map and a mask of single voxels in a scan of 2 x 1 x 3 mm voxels."""
    scan = np.random.default_rng(0).random((8, 9, 10)).astype(np.float32)
    heat, mask = np.zeros(scan.shape, np.float32), np.zeros(scan.shape, bool)
    heat[peak] = 1
    for place in changed:
        mask[place] = True
    return Example(Volume(scan, np.diag([2.0, 1, 3, 1])), heat, mask if changed else None)


RECORD = {"image": "a", "artifact": "dropped_slices", "artifact_type": "intensity", "label": 1, "contrast": "T1"}
RECORD |= {"probability": 0.876}


@pytest.mark.parametrize(
    ("changes", "changed", "text"),
    [
        ({}, [(2, 4, 4)], "dropped slices, T1; p(artifact) = 0.88; hit (chance 0 %)"),
        ({}, [(2, 8, 4)], "dropped slices, T1; p(artifact) = 0.88; miss by 4 mm (chance 0 %)"),
        ({"label": 0}, [], "clean to the rater (mild dropped slices), T1; p(artifact) = 0.88"),
        ({"label": 0, "artifact": "", "contrast": ""}, [], "clean, contrast not recorded; p(artifact) = 0.88"),
        ({"artifact": ""}, [], "intensity, T1; p(artifact) = 0.88"),
    ],
)
def test_a_title_has_kind_probability_and_verdict(changes, changed, text):
    assert title(pd.Series(RECORD | changes), example((2, 4, 4), changed)) == text


def test_the_cross_is_the_peak_and_the_outline_surrounds_the_mask():
    axes = draw([example((1, 2, 3), [(k, 4, 5) for k in range(3, 6)])], [""]).subfigs[0].axes
    crosses = [tuple(np.ravel(ax.lines[0].get_data())) for ax in axes]
    assert crosses == [(2, 3), (1, 3), (1, 2)] * 2
    outline = axes[1].collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(outline.min(0), (2.5, 4.5))  # coronal: x from 3 to 5, z 5
    np.testing.assert_allclose(outline.max(0), (5.5, 5.5))
    plt.close("all")


def test_the_numbers_of_the_figure_are_peaks_and_hits():
    figure, data, _ = saliency(
        pd.DataFrame([RECORD, RECORD]), [example((2, 4, 4), [(2, 8, 4)]), example((1, 1, 1))], "n"
    )
    assert data[["x", "y", "z"]].to_numpy().tolist() == [[2, 4, 4], [1, 1, 1]]
    assert data["hit"].to_list()[0] == 0
    assert data["distance_mm"][0] == pytest.approx(4)
    assert np.isnan(data["hit"][1])
    plt.close(figure)
