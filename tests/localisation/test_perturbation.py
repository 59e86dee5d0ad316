import numpy as np
import pytest
import torch
from torch import nn

from xiqa.localisation.perturbation import KINDS, area, insertion_deletion


class Weighing(nn.Module):
    """Logits 0 and the weighted sum of the pixels: the probability of class 1 follows from which pixels are there."""

    def __init__(self, weights, offset=0.0):
        super().__init__()
        self.weights, self.offset = weights, offset
        self.dropout = nn.Dropout(0.5)

    def forward(self, images):
        total = (self.dropout(images) * self.weights).sum((1, 2, 3)) + self.offset
        return torch.stack([torch.zeros_like(total), total], 1)


def curve(frame, kind, image=0):
    part = frame[(frame["kind"] == kind) & (frame["image"] == image)]
    return part.sort_values("step")["probability"].to_numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, dtype=float)))


WEIGHTS = torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.float64)


def test_the_closed_form_of_a_linear_network():
    # Saliency is the weight: pixels go in the order 2, 0.5, 0.25, -1.
    images = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    frame = insertion_deletion(Weighing(WEIGHTS), images, WEIGHTS[None], target=1, steps=4, baseline=0)
    assert frame.columns.tolist() == ["image", "kind", "step", "share", "probability"]
    assert curve(frame, "insertion") == pytest.approx(sigmoid([0, 2, 2.5, 2.75, 1.75]))
    assert curve(frame, "deletion") == pytest.approx(sigmoid([1.75, -0.25, -0.75, -1, 0]))
    assert frame["share"].tolist() == [0, 0.25, 0.5, 0.75, 1] * 2


def test_the_area_is_the_trapezoid():
    images = torch.ones(2, 1, 2, 2, dtype=torch.float64)
    maps = torch.stack([WEIGHTS, -WEIGHTS])
    frame = insertion_deletion(Weighing(WEIGHTS), images, maps, target=1, steps=4, baseline=0)
    result = area(frame.sample(frac=1, random_state=0))
    p = sigmoid([0, 2, 2.5, 2.75, 1.75])
    assert result["image"].tolist() == [0, 1]
    assert result["insertion"][0] == pytest.approx((p[1:] + p[:-1]).mean() / 2)
    assert result["insertion"][0] > result["insertion"][1]
    assert result["deletion"][0] < result["deletion"][1]


def test_the_predicted_class_of_the_intact_image():
    images = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    predicted_none = insertion_deletion(Weighing(WEIGHTS, offset=-5), images, WEIGHTS[None], steps=2, baseline=0)
    assert curve(predicted_none, "deletion") == pytest.approx(1 - sigmoid([-3.25, -5.75, -5]))
    target = torch.tensor([1])
    of_class_1 = insertion_deletion(Weighing(WEIGHTS, offset=-5), images, WEIGHTS[None], target, steps=2, baseline=0)
    assert curve(of_class_1, "deletion") == pytest.approx(sigmoid([-3.25, -5.75, -5]))


def test_ties_go_by_raster_order():
    images = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    maps = torch.tensor([[[0.0, 1.0], [1.0, 1.0]]])
    frame = insertion_deletion(Weighing(WEIGHTS), images, maps, target=1, steps=4, baseline=0)
    assert curve(frame, "insertion") == pytest.approx(sigmoid([0, -1, 1, 1.25, 1.75]))


def test_many_ties_go_by_raster_order_too():
    images, weights = torch.ones(1, 1, 40, 40).double(), torch.linspace(-0.01, 0.02, 1600).double().reshape(40, 40)
    maps = (torch.arange(1600) % 2).reshape(1, 40, 40).float()
    frame = insertion_deletion(Weighing(weights), images, maps, target=1, steps=16, baseline=0)
    order = torch.cat([torch.arange(1, 1600, 2), torch.arange(0, 1600, 2)])
    sums = [0, *weights.flatten()[order].cumsum(0)[99::100].tolist()]
    assert curve(frame, "insertion") == pytest.approx(sigmoid(sums))


def test_portions_are_rounded_to_whole_pixels():
    images = torch.ones(1, 1, 1, 5, dtype=torch.float64)
    weights = torch.tensor([[5.0, 4, 3, 2, 1]], dtype=torch.float64) / 10
    frame = insertion_deletion(Weighing(weights), images, weights[None], target=1, steps=3, baseline=0)
    # 5/3 and 10/3 of five pixels: two and three.
    assert curve(frame, "insertion") == pytest.approx(sigmoid([0, 0.9, 1.2, 1.5]))


def test_the_mean_of_each_channel_as_baseline():
    images = torch.rand(1, 3, 4, 4, dtype=torch.float64)
    weights = torch.rand(3, 4, 4, dtype=torch.float64) - 0.5
    frame = insertion_deletion(Weighing(weights), images, torch.rand(1, 4, 4), 1, steps=1, baseline="mean")
    expected = (images[0].mean((1, 2), keepdim=True) * weights).sum()
    assert curve(frame, "insertion")[0] == pytest.approx(sigmoid(expected))
    assert curve(frame, "insertion")[1] == pytest.approx(sigmoid((images * weights).sum()))


def test_the_blurred_image_as_baseline():
    from scipy import ndimage

    images = torch.rand(1, 1, 56, 56, dtype=torch.float64)
    weights = torch.rand(56, 56, dtype=torch.float64) / 100 - 0.005
    frame = insertion_deletion(Weighing(weights), images, torch.rand(1, 56, 56), 1, steps=1)
    blurred = ndimage.gaussian_filter(images[0, 0].numpy(), 2.5, mode="mirror", radius=8)
    assert curve(frame, "deletion")[1] == pytest.approx(sigmoid((blurred * weights.numpy()).sum()))


def test_a_constant_image_is_its_own_blurred_baseline():
    frame = insertion_deletion(Weighing(WEIGHTS), torch.ones(1, 1, 2, 2).double(), WEIGHTS[None], 1, steps=2)
    assert frame["probability"].to_numpy() == pytest.approx(sigmoid(1.75))


def test_a_map_without_a_peak_has_no_order():
    maps = torch.stack([torch.ones(2, 2), torch.full((2, 2), float("nan")), WEIGHTS.float()])
    frame = insertion_deletion(Weighing(WEIGHTS), torch.ones(3, 1, 2, 2).double(), maps, 1, steps=2, baseline=0)
    assert frame.groupby("image")["probability"].apply(lambda p: p.isna().all()).tolist() == [True, True, False]
    result = area(frame)
    assert result[["insertion", "deletion"]].isna().all(axis=1).tolist() == [True, True, False]


def test_the_network_is_left_as_it_was():
    model = Weighing(WEIGHTS).train()
    model.dropout.eval()
    frames = [insertion_deletion(model, torch.ones(2, 1, 2, 2).double(), WEIGHTS.expand(2, 2, 2)) for _ in range(2)]
    assert model.training
    assert not model.dropout.training
    assert frames[0].equals(frames[1])


def test_the_other_images_of_a_batch_change_nothing():
    images, maps = torch.rand(3, 1, 8, 8).double(), torch.rand(3, 8, 8)
    model = Weighing(torch.rand(8, 8).double() - 0.5)
    together = insertion_deletion(model, images, maps, steps=5)
    alone = insertion_deletion(model, images[1:2], maps[1:2], steps=5)
    for kind in KINDS:
        np.testing.assert_array_equal(curve(together, kind, 1), curve(alone, kind))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"maps": torch.rand(1, 3, 2)}, "fit"),
        ({"steps": 0}, "step"),
        ({"baseline": "black"}, "baseline"),
        ({"target": 2}, "0..1"),
        ({"target": -1}, "0..1"),
        ({"target": torch.tensor([0.5])}, "target"),
        ({"target": torch.tensor([0, 1])}, "target"),
        ({"images": torch.ones(1, 1, 2, 2, dtype=torch.uint8)}, "normalised"),
    ],
)
def test_what_does_not_fit_is_refused(changes, word):
    arguments = {"images": torch.ones(1, 1, 2, 2).double(), "maps": WEIGHTS[None], "target": 1} | changes
    with pytest.raises(ValueError, match=word):
        insertion_deletion(Weighing(WEIGHTS), **arguments)
