import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models
from xiqa.paper.arguments import Images
from xiqa.paper.batches import batches


class Data:
    """Five images of three units; the first has no ground truth."""

    pixels = np.random.default_rng(0).integers(0, 255, (5, 8, 8), dtype=np.uint8)

    def records(self, split):
        return pd.DataFrame({"image": list("abcde"), "unit": list("ppqqr"), "label": 1})

    def located(self, split):
        return np.array([1, 2, 3, 4])

    def images(self, split):
        return self.pixels


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (Images(), [1, 2, 3, 4]),
        (Images(once=True), [1, 2, 4]),
        (Images(once=True, count=2), [1, 2]),
        (Images(count=3), [1, 2, 3]),
    ],
)
def test_rows_have_ground_truth_and_are_the_first_of_their_unit(images, expected):
    assert images.rows(Data()).tolist() == expected


def test_batches_are_normalised_images_with_their_records():
    parts = list(batches(Data(), "test", np.array([4, 1, 2]), 2))
    assert [part.rows.tolist() for part in parts] == [[4, 1], [2]]
    assert [name for part in parts for name in part.records["image"]] == ["e", "b", "c"]
    expected = models.normalise(torch.from_numpy(Data.pixels[[4, 1, 2]]))
    assert torch.equal(torch.cat([part.inputs for part in parts]).cpu(), expected)
