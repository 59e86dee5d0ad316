from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from xiqa.data.arrays.volumes import PreparedVolumes
from xiqa.paper.appendix.explained_mri import observe, results
from xiqa.paper.mri import sample


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
            sample.sample(folder, weights, prepared, split, 4, int(name[-1]))
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
    found = results.explained(made, ["arm-s0", "arm-s1"])
    trained = found[found["state"] == "trained"]
    assert set(trained["seed"]) == {0, 1}
    assert set(trained["method"]) == set(observe.METHODS)
    untrained = found[found["state"] == "untrained"]
    assert set(untrained["seed"]) == {0, 1}
    assert set(untrained["method"]) == {observe.PRIMARY}
    assert set(found.loc[found["state"] == "no network", "method"]) == set(observe.RIVALS)
    assert (found.groupby(["state", "seed", "method"])["image"].nunique() == 2).all()
    assert not any("root" in given for _, given in made.store.asked)


def test_peaks_of_scans_with_a_mask_and_of_those_called_clean(made):
    found = results.peaks(made, "arm-s0", theta=1.1)  # every scan is called clean
    assert found["set"].value_counts().to_dict() == {"called clean": 4, "local": 2}
    assert found.loc[found["set"] == "called clean", "label"].to_list() == [1, 1, 1, 0]
    none = results.peaks(made, "arm-s0", theta=0.0)
    assert set(none["set"]) == {"local"}


def test_a_folder_without_masks_gives_empty_tables(made, other_root, world):
    for path in other_root.rglob("*_mask.nii.gz"):
        path.unlink()
    made.root = lambda dataset, paths=(): other_root
    found = results.explained(made, ["arm-s0"])
    assert found.empty
    assert {"hit", "state", "method", "label"} <= set(found.columns)
    assert set(results.peaks(made, "arm-s0", theta=1.1)["set"]) == {"called clean"}
    assert results.peaks(made, "arm-s0", theta=0.0).empty


def test_one_clean_scan_for_each_missed_artifact():
    answers = pd.DataFrame({"label": [1] * 10 + [0] * 300, "probability": np.linspace(0, 1, 310)})
    chosen = results.called_clean(answers, 0.9)
    assert chosen["label"].value_counts().to_dict() == {0: 10, 1: 10}
    assert (chosen["probability"] < 0.9).all()
    assert chosen.index.is_monotonic_increasing
    pd.testing.assert_frame_equal(chosen, results.called_clean(answers, 0.9))
    many = results.called_clean(answers.assign(label=1), 0.9)
    assert len(many) == results.CASES
    assert results.called_clean(answers, 0.0).empty
