import numpy as np
import pandas as pd
import pytest

from xiqa.data.arrays.images import Prepared
from xiqa.paper.audit import contents


@pytest.fixture
def cines(entry, noise):
    """Six patients with two frames each, in every split."""
    labels, units = [i // 2 % 2 for i in range(12)], [f"p{i // 2}" for i in range(12)]
    return Prepared(entry({split: (noise(12), labels, units) for split in ("train", "val", "test")}))


def test_examples_are_the_first_of_each_class_one_of_a_patient(cines):
    rows = contents.examples({"object_cxr": cines, "lvot": cines}, 2)
    names = {text: [example.name for example in row] for text, row in rows.items()}
    assert names["outflow tract visible"] == ["2.png", "6.png"]
    assert names["four chambers"] == ["0.png", "4.png"]
    assert names["object in the lung field"] == ["2.png", "3.png"]
    np.testing.assert_array_equal(rows["four chambers"][1].image, cines.images("test")[4])


def test_brightness_is_the_mean_grey_value_by_class(cines):
    frame = contents.brightness({"lvot": cines})
    assert frame["label"].to_list() == ["good", "good", "bad", "bad"] * 3
    np.testing.assert_allclose(frame["mean"], cines.images("train").mean(axis=(1, 2)))


def test_nothing_annotated_gives_a_map_of_zeros(entry, noise):
    data = Prepared(entry({split: (noise(2), [0, 0], ["a", "b"]) for split in ("train", "val", "test")}))
    assert (contents.annotated(data) == np.zeros((32, 32))).all()


def test_scans_clean_first_then_each_type_of_artifact():
    records = pd.DataFrame(
        {"label": [1, 0, 1, 0, 0, 1], "artifact_type": ["motion", "motion", "coverage", "", "", "motion"]}
    )
    shown = contents.scans(records, 2)
    assert shown["row"].to_list() == ["clean", "clean", "coverage", "motion", "motion"]
    assert shown.index.to_list() == [1, 3, 2, 0, 5]
