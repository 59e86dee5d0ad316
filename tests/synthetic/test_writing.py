"""Writing of every embedded data set: resumed, completed, left alone when finished."""

import importlib

import pytest

from tests.synthetic.conftest import SPECS, contents
from xiqa.synthetic import catalogue

# Function that is interrupted, after how many calls, and the files that are written last.
LAST = {"object_cxr": ("draw", 7, "*/*.csv"), "lvot": ("write_one", 3, "labels/*"), "mri": ("draw", 5, "scans.tsv")}
LOST = {
    "object_cxr": ("*/images/*", "*/*.csv", "derivatives/*/*_masks.png", "derivatives/*/*_without.png"),
    "lvot": ("images/*/*", "derivatives/*/*", "labels/*", "train_segm/*"),
    "mri": ("*/anat/*.nii.gz", "derivatives/**/*_mask.nii.gz", "derivatives/**/*_without.nii.gz"),
}


def module(name):
    return importlib.import_module(f"{catalogue.GENERATORS[name]}.files")


@pytest.mark.parametrize("name", SPECS)
def test_interrupted_writing_resumes_and_workers_change_no_byte(name, written, tmp_path, monkeypatch):
    function, last, index = LAST[name]
    original, calls = getattr(module(name), function), []

    def failing(*arguments, **options):
        if len(calls) == last:
            raise KeyboardInterrupt
        calls.append(arguments)
        return original(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(module(name), function, failing)
        with pytest.raises(KeyboardInterrupt):
            module(name).write(tmp_path, SPECS[name], workers=1)
    assert not list(tmp_path.glob(index))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    module(name).write(tmp_path, SPECS[name], workers=2)
    assert contents(tmp_path) == contents(written(name))
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())


@pytest.mark.parametrize(("name", "pattern"), [(name, pattern) for name in LOST for pattern in LOST[name]])
def test_lost_files_are_written_again(name, pattern, written):
    folder = written(name)
    before = contents(folder)
    next(path for path in sorted(folder.glob(pattern)) if path.is_file()).unlink()
    module(name).write(folder, SPECS[name], workers=1)
    assert contents(folder) == before


@pytest.mark.parametrize("name", SPECS)
def test_a_finished_folder_is_left_alone(name, written, monkeypatch):
    before = contents(written(name))
    monkeypatch.setattr(module(name), LAST[name][0], None)
    module(name).write(written(name), SPECS[name], workers=1)
    assert contents(written(name)) == before
