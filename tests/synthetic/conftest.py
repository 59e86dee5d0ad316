"""The embedded data of the tests on files: each set is written once."""

import functools

import pytest

from xiqa.synthetic import catalogue

SPECS = {
    "object_cxr": {"size": 64, "train": 10, "val": 4, "test": 4, "seed": 3},
    "lvot": {"size": 32, "train": 6, "val": 3, "test": 4, "frames": 3, "seed": 7},
    "mri": {"shape": [40, 40, 32], "train": [13, 9], "val": [4, 2], "test": [4, 3], "seed": 3},
}


def contents(folder):
    """Bytes of every file below a folder, by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Function of a name that gives the folder of this data set."""

    @functools.cache
    def folder(name):
        path = tmp_path_factory.mktemp(name)
        catalogue.generator(name).write(path, SPECS[name], workers=1)
        return path

    return folder
