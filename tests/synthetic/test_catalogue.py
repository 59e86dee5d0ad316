"""Generators: fingerprints follow specification and code; code and data are those that were frozen."""

import hashlib

import pytest
import torch

from xiqa.recipes import REVISIONS
from xiqa.store import fingerprints
from xiqa.synthetic import catalogue

SPEC = {"size": 48, "train": 2, "val": 2, "test": 2, "seed": 0}
PAIRS = {"train": 0, "val": 0, "test": 1}
TINY = {
    "object_cxr": {"size": 48, "train": 2, "val": 1, "test": 1, "seed": 1, "pairs": PAIRS},
    "lvot": {"size": 32, "train": 2, "val": 1, "test": 1, "frames": 1, "seed": 1, "pairs": PAIRS},
    "mri": {"shape": [24, 24, 24], "train": [1, 1], "val": [1, 0], "test": [0, 1], "seed": 1},
}


def test_fingerprint_follows_spec_and_code(monkeypatch):
    before = catalogue.fingerprint("object_cxr", SPEC)
    assert catalogue.fingerprint("object_cxr", dict(reversed(SPEC.items()))) == before
    assert catalogue.fingerprint("object_cxr", {**SPEC, "seed": 1}) != before
    monkeypatch.setattr(catalogue, "code_digest", lambda modules: "other code")
    assert catalogue.fingerprint("object_cxr", SPEC) != before


def test_code_covers_every_module_of_the_simulator():
    reached = fingerprints.closure(["xiqa.synthetic.chest"], leave_out=("xiqa.store", "xiqa.data", "xiqa.errors"))
    drawn = ("anatomy", "bones", "compose", "devices", "files", "film", "geometry", "lungs", "objects", "placement")
    assert {f"xiqa.synthetic.chest.{name}" for name in drawn} <= set(reached)


@pytest.mark.parametrize("name", catalogue.GENERATORS)
def test_the_code_is_frozen(name):
    revisions = REVISIONS[name]
    assert revisions[-1].code == catalogue.code(name), (
        f"the simulator of {name} changed: add a revision to xiqa/recipes/revisions.py and the results seen before it"
    )
    assert [r.day for r in revisions] == sorted(r.day for r in revisions)


@pytest.mark.parametrize("name", catalogue.GENERATORS)
def test_the_data_are_frozen(name, tmp_path):
    if name == "mri" and not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        pytest.skip("without AVX2 the Fourier transform rounds otherwise, and some voxels differ by one")
    catalogue.generator(name).write(tmp_path, TINY[name], workers=1)
    content = hashlib.sha256()
    for path in sorted(path for path in tmp_path.rglob("*") if path.is_file()):
        content.update(str(path.relative_to(tmp_path)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    assert content.hexdigest()[:16] == REVISIONS[name][-1].data
