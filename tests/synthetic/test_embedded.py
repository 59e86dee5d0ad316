"""Embedded data on disk: written once, recognised, resumed, refused when foreign, cleaned when unused."""

import json

import pytest

from xiqa.errors import BadInput
from xiqa.synthetic import __main__, catalogue, chest, embedded

SPEC = {"size": 48, "train": 2, "val": 2, "test": 2, "seed": 0}


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("XIQA_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def calls(monkeypatch):
    made = []

    def write(folder, spec):
        made.append(spec)
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "images" / "1.png").write_bytes(b"1")
        (folder / "train.csv").write_text("image_name,annotation\n")

    monkeypatch.setattr(chest, "write", write)
    return made


def test_written_once_into_a_folder_of_its_fingerprint(data, calls):
    folder = embedded.folder("object_cxr", "smoke", SPEC)
    assert folder == data / f"smoke-{catalogue.fingerprint('object_cxr', SPEC)}" / "object_cxr"
    marker = json.loads((folder / "complete.json").read_text())
    assert marker["fingerprint"] == catalogue.fingerprint("object_cxr", SPEC)
    assert marker["files"] == 2
    assert not (folder / "writing.json").exists()
    assert embedded.folder("object_cxr", "smoke", SPEC) == folder
    assert calls == [SPEC]


def test_really_writes_films():
    folder = embedded.folder("object_cxr", "smoke", SPEC)
    assert (folder / "object-CXR_train" / "train.csv").is_file()
    assert len(list((folder / "object-CXR_test" / "images").iterdir())) == 2


def test_interrupted_writing_is_taken_up_again(monkeypatch):
    def broken(folder, spec):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(chest, "write", broken)
        with pytest.raises(KeyboardInterrupt):
            embedded.folder("object_cxr", "smoke", SPEC)
    target = embedded.place("object_cxr", "smoke", SPEC)
    assert (target / "writing.json").is_file()
    assert not (target / "complete.json").exists()
    assert (embedded.folder("object_cxr", "smoke", SPEC) / "complete.json").is_file()


def test_a_finished_folder_that_lost_a_file_is_completed(calls):
    folder = embedded.folder("object_cxr", "smoke", SPEC)
    (folder / "train.csv").unlink()
    embedded.folder("object_cxr", "smoke", SPEC)
    assert (folder / "train.csv").is_file()
    assert len(calls) == 2


@pytest.mark.parametrize("marker", [None, "not json", '{"fingerprint": "of something else"}'])
def test_a_foreign_folder_is_refused_and_left_alone(marker, calls):
    target = embedded.place("object_cxr", "smoke", SPEC)
    target.mkdir(parents=True)
    (target / "holiday.jpg").write_bytes(b"mine")
    if marker is not None:
        (target / "complete.json").write_text(marker)
    with pytest.raises(BadInput, match=r"not written by") as caught:
        embedded.folder("object_cxr", "smoke", SPEC)
    assert caught.value.reason == "foreign_folder"
    assert (target / "holiday.jpg").read_bytes() == b"mine"
    assert calls == []


def test_a_file_in_the_way_is_refused():
    target = embedded.place("object_cxr", "smoke", SPEC)
    target.parent.mkdir(parents=True)
    target.write_text("a file")
    with pytest.raises(BadInput):
        embedded.folder("object_cxr", "smoke", SPEC)


def test_clean_removes_only_what_is_ours_and_unused(data, calls, monkeypatch, capsys):
    from xiqa import recipes

    used = embedded.folder("object_cxr", "quick", SPEC)
    old = embedded.folder("object_cxr", "quick", {**SPEC, "seed": 9})
    (data / "holiday").mkdir()
    (data / "holiday" / "photo.jpg").write_bytes(b"mine")
    mixed = embedded.folder("object_cxr", "quick", {**SPEC, "seed": 8})
    (mixed.parent / "notes.txt").write_text("mine")
    monkeypatch.setattr(recipes, "embedded_specs", lambda: [("quick", "object_cxr", SPEC)])
    monkeypatch.setattr("builtins.input", lambda question: "n")
    assert __main__.main(["--clean"]) == 0
    assert old.is_dir()
    assert "Nothing removed" in capsys.readouterr().out
    assert __main__.main(["--clean", "--yes"]) == 0
    assert not old.parent.exists()
    assert (used / "complete.json").is_file()
    assert (data / "holiday" / "photo.jpg").read_bytes() == b"mine"
    assert (mixed.parent / "notes.txt").is_file()
    assert __main__.main(["--clean", "--yes"]) == 0
    assert "Nothing to remove" in capsys.readouterr().out


def test_clean_with_no_data_at_all(monkeypatch):
    from xiqa import recipes

    monkeypatch.setattr(recipes, "embedded_specs", list)
    assert __main__.main(["--clean"]) == 0


def test_the_command_needs_an_option():
    with pytest.raises(SystemExit) as caught:
        __main__.main([])
    assert caught.value.code == 2
