from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from xiqa import sampling
from xiqa.data.prepared_mri import PreparedVolumes
from xiqa.mri_explained import observed, study


class Store:
    """Computes at once, and notes what was asked."""

    def __init__(self):
        self.asked = []

    def frame(self, function, unkeyed, **arguments):
        self.asked.append((function.__name__, arguments))
        return function(**arguments, **unkeyed)


@pytest.fixture
def made(root, prepared, weights, tmp_path):
    """A study of two seeds whose weights are the same."""

    def samples(name, split):
        folder = tmp_path / name
        if not folder.exists():
            folder.mkdir()
            sampling.sample(folder, weights, prepared, split, 4, int(name[-1]))
        return folder

    return SimpleNamespace(
        store=Store(),
        profile=SimpleNamespace(maps_batch=2, heads=2, samples=4),
        prepared_volumes=lambda: prepared,
        volumes=lambda: PreparedVolumes(prepared),
        root=lambda dataset, paths=(): root,
        recipe=lambda name: SimpleNamespace(network="vggnet3d", seed=int(name[-1])),
        train=lambda name: weights.parent,
        samples=samples,
    )


def test_trained_networks_untrained_ones_and_rivals_stand_in_one_table(made):
    found = study.explained(made, ["arm-s0", "arm-s1"])
    trained = found[found["state"] == "trained"]
    assert set(trained["seed"]) == {0, 1}
    assert set(trained["method"]) == set(observed.METHODS)
    untrained = found[found["state"] == "untrained"]
    assert set(untrained["seed"]) == {0, 1}
    assert set(untrained["method"]) == {observed.PRIMARY}
    assert set(found.loc[found["state"] == "no network", "method"]) == set(observed.RIVALS)
    assert (found.groupby(["state", "seed", "method"])["image"].nunique() == 2).all()
    assert not any("root" in given for _, given in made.store.asked)


def test_peaks_of_scans_with_a_mask_and_of_those_called_clean(made):
    found = study.peaks(made, "arm-s0", theta=1.1)  # every scan is called clean
    assert found["set"].value_counts().to_dict() == {"called clean": 4, "local": 2}
    assert found.loc[found["set"] == "called clean", "label"].to_list() == [1, 1, 1, 0]
    none = study.peaks(made, "arm-s0", theta=0.0)
    assert set(none["set"]) == {"local"}


def test_a_folder_without_masks_gives_empty_tables(made, other_root, world):
    for path in other_root.rglob("*_mask.nii.gz"):
        path.unlink()
    made.root = lambda dataset, paths=(): other_root
    found = study.explained(made, ["arm-s0"])
    assert found.empty
    assert {"hit", "state", "method", "label"} <= set(found.columns)
    assert set(study.peaks(made, "arm-s0", theta=1.1)["set"]) == {"called clean"}
    assert study.peaks(made, "arm-s0", theta=0.0).empty


def test_one_clean_scan_for_each_missed_artifact():
    answers = pd.DataFrame({"label": [1] * 10 + [0] * 300, "probability": np.linspace(0, 1, 310)})
    chosen = study.called_clean(answers, 0.9)
    assert chosen["label"].value_counts().to_dict() == {0: 10, 1: 10}
    assert (chosen["probability"] < 0.9).all()
    assert chosen.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(chosen, study.called_clean(answers, 0.9))
    many = study.called_clean(answers.assign(label=1), 0.9)
    assert len(many) == study.CASES
    assert study.called_clean(answers, 0.0).empty
