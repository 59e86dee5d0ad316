import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from xiqa import pictures
from xiqa.data.shapes import parse_annotation

mpl.use("Agg")


@pytest.fixture
def axes():
    figure, axes = plt.subplots(1, 3)
    yield axes
    plt.close(figure)


def test_scaled_is_between_zero_and_one_and_not_ruled_by_one_pixel():
    saliency = np.random.default_rng(0).uniform(0, 1, (50, 50))
    saliency[3, 4] = 1000
    drawn = pictures.scaled(saliency)
    assert (drawn.min(), drawn.max()) == (0, 1)
    assert np.median(drawn) > 0.3
    lone = np.zeros((40, 40))
    lone[5, 5] = 2
    assert pictures.scaled(lone)[5, 5] == 1
    assert not pictures.scaled(np.full((4, 4), 3.0)).any()


@pytest.mark.parametrize("text", ["0 2 3 10 12", "1 2 3 10 12", "2 2 3 10 3 6 12"])
def test_outlines_lie_on_the_shapes_box(text, axes):
    shape = parse_annotation(text)[0]
    patch = axes[0].add_patch(pictures.outline(shape))
    axes[0].set(xlim=(0, 20), ylim=(0, 20))
    extent = patch.get_path().get_extents(patch.get_patch_transform())
    assert (extent.x0, extent.y0, extent.x1, extent.y1) == pytest.approx(shape.box, abs=1e-6)


def test_an_overlay_marks_the_peak_at_column_and_row_unless_it_is_degenerate(axes):
    pictures.overlay(axes[0], np.zeros((20, 30)), np.ones((20, 30)), peak=(4, 17), tolerance=3)
    (marker,) = axes[0].lines
    assert (marker.get_xdata()[0], marker.get_ydata()[0]) == axes[0].patches[0].center == (17, 4)
    pictures.overlay(axes[1], np.zeros((20, 30)), np.ones((20, 30)), peak=(-1, -1))
    assert not axes[1].lines


@pytest.mark.parametrize("letters", [True, False])
def test_planes_show_the_slices_through_a_voxel_in_their_size(letters, axes):
    volume = np.zeros((6, 8, 5))
    volume[4, 6, 3] = 1
    pictures.planes(axes, volume, (1.0, 2.0, 4.0), (4, 6, 3), saliency=volume, letters=letters)
    for ax, (across, up), aspect in zip(axes, ((1, 2), (0, 2), (0, 1)), (2, 4, 2), strict=True):
        shown, heat = (image.get_array() for image in ax.images)
        assert shown.shape == (volume.shape[up], volume.shape[across])
        assert np.argwhere(shown == 1).tolist() == [[(4, 6, 3)[up], (4, 6, 3)[across]]]
        assert np.argwhere(heat == 1).tolist() == [[(4, 6, 3)[up], (4, 6, 3)[across]]]
        assert ax.images[0].origin == "lower"
        assert ax.get_aspect() == aspect
        (cross,) = ax.lines
        assert (cross.get_xdata()[0], cross.get_ydata()[0]) == ((4, 6, 3)[across], (4, 6, 3)[up])
    places = {text.get_text(): text.get_position() for text in axes[2].texts}
    if letters:
        # Left stands left, the face looks up.
        assert places["L"][0] < 0.5 < places["R"][0]
        assert places["P"][1] < 0.5 < places["A"][1]
        assert {text.get_text() for text in axes[0].texts} == {"P", "A", "I", "S"}
    else:
        assert not set(places) & set("LRAPIS")


def test_planes_of_a_nearly_empty_volume_are_not_black(axes):
    volume = np.zeros((30, 30, 30))
    volume[3, 4, 5] = 7
    pictures.planes(axes, volume, (1, 1, 1), (3, 4, 5))
    assert axes[0].images[0].get_clim() == (0, 7)
