import numpy as np
import pytest

from xiqa.data.arrays import drawn
from xiqa.data.prepare_volumes import prepare_volumes
from xiqa.paper.appendix.mri_supplement import foreign
from xiqa.synthetic import head

SHAPE = (32, 32, 32)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root, folder, other = (tmp_path_factory.mktemp(name) for name in ("heads", "prepared", "foreign"))
    head.write(root, {"shape": list(SHAPE), "train": [4, 2], "val": [2, 1], "test": [8, 2], "seed": 3, "pairs": {}})
    prepare_volumes(folder, root, SHAPE, "log")
    foreign.foreign(other, folder, count=2)
    return drawn.read_volumes(folder), drawn.read_volumes(other)


def test_clean_scans_of_different_subjects_are_changed_in_every_way(made):
    _, other = made
    records = other.records("test")
    assert records.groupby("artifact", sort=False).size().to_dict() == dict.fromkeys(foreign.KINDS, 2)
    assert (records["label"] == 0).all()
    assert records.groupby("artifact")["subject"].nunique().eq(2).all()
    assert records["image"].is_unique
    assert other.volumes("test").shape == (2 * len(foreign.KINDS), *SHAPE)


def test_each_change_is_what_it_is_called(made):
    usual, other = made
    records = other.records("test")
    name = records["image"][0].removeprefix(next(iter(foreign.KINDS)) + " ")
    scan = usual.volumes("test")[int(np.flatnonzero(usual.records("test")["image"] == name)[0])].astype(float)
    turned, inverted, shuffled, bottle = (other.volumes("test")[2 * kind].astype(float) for kind in range(4))
    np.testing.assert_array_equal(np.rot90(turned, -1), scan)
    np.testing.assert_allclose(inverted + scan, scan.max() + scan.min(), atol=4e-3)
    np.testing.assert_array_equal(np.sort(shuffled.ravel()), np.sort(scan.ravel()))
    assert abs(np.corrcoef(shuffled.ravel(), scan.ravel())[0, 1]) < 0.05
    middle, corner = bottle[12:20, 12:20], bottle[:4, :4]
    assert middle.mean() > corner.mean() + 0.5
    assert middle.std() < 0.5 * scan.std()
