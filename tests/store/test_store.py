import json
import math
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa.store import files, store
from xiqa.store.files import read_frame, write_bytes, write_frame
from xiqa.store.store import MissingEntryError, Store


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path))
    return Store("quick")


calls = []


def fill(folder, size, root=None):
    calls.append(size)
    (folder / "a.txt").write_text("x" * size)


def broken(folder):
    (folder / "half.txt").write_text("half")
    raise RuntimeError("in the middle")


def table(rows):
    calls.append(rows)
    return pd.DataFrame({"a": np.arange(rows) / 3, "b": ["", *["x"] * (rows - 1)]})


def test_an_entry_is_computed_once_and_again_for_other_arguments_or_data(shelf):
    calls.clear()
    first = shelf.path(fill, size=2)
    assert shelf.path(fill, size=2) == first
    assert shelf.path(fill, size=2, unkeyed={"root": "elsewhere"}) == first
    assert shelf.path(fill, size=2, unkeyed={"root": lambda: calls.append("called only to compute")}) == first
    assert calls == [2]
    assert shelf.path(fill, size=3) != first
    assert shelf.path(fill, size=2, data="other", unkeyed={"root": lambda: calls.append("root")}) != first
    assert calls == [2, 3, "root", 2]
    assert (first / "a.txt").read_text() == "xx"


def test_a_failure_leaves_nothing(shelf):
    with pytest.raises(RuntimeError, match="in the middle"):
        shelf.path(broken)
    assert [path for path in shelf.folder.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_key_follows_code_device_and_threads(shelf, monkeypatch):
    before = shelf.key(fill, size=1)
    monkeypatch.setattr(store, "code_digests", lambda modules: {"other": "code"})
    assert shelf.key(fill, size=1) != before
    monkeypatch.undo()
    monkeypatch.setenv("XIQA_RESULTS", str(shelf.folder.parents[1]))
    for name, value in {"XIQA_DEVICE": "cuda", "XIQA_THREADS": "7"}.items():
        monkeypatch.setenv(name, value)
        assert shelf.key(fill, size=1) != before
        monkeypatch.delenv(name)
    assert shelf.key(fill, size=1) == before


def test_paths_into_the_store_enter_by_their_content(shelf):
    two, three = shelf.path(fill, size=2), shelf.path(fill, size=3)
    same = shelf.path(fill, size=2, data="v2")
    assert shelf.key(table, source=two) == shelf.key(table, source=same) != shelf.key(table, source=three)
    assert shelf.key(table, source=two / "a.txt") == shelf.key(table, source=same / "a.txt")
    with pytest.raises(ValueError, match="not in the subpath"):
        shelf.key(table, source=shelf.folder.parent)


def after(source):
    calls.append("after")
    return pd.DataFrame({"length": [len((source / "a.txt").read_text())]})


def test_a_change_upstream_that_leaves_the_bytes_alone_repeats_nothing(shelf):
    calls.clear()
    for data, size in (("v1", 2), ("v2", 2), ("v2", 3)):
        assert shelf.frame(after, source=shelf.path(fill, size=size, data=data))["length"].item() == size
    assert calls == [2, "after", 2, 3, "after"]


@dataclass(frozen=True)
class Rule:
    tolerance: float
    weights: Path | None = None


def test_frozen_dataclasses_enter_by_their_fields_and_functions_by_their_dotted_name(shelf):
    import xiqa.synthetic.textures as module

    entry = shelf.path(fill, size=2)
    keys = [shelf.key(table, rule=Rule(t, w)) for t, w in ((15, None), (25, None), (15, entry), (15, None))]
    assert keys[0] == keys[3]
    assert len({json.dumps(key) for key in keys}) == 3
    assert shelf.key("xiqa.synthetic.textures.draw", count=1) == shelf.key(module.draw, count=1)


def test_a_store_that_does_not_compute_names_what_is_missing(shelf):
    calls.clear()
    reading = Store("quick", compute=False)
    with pytest.raises(MissingEntryError, match="no entry of fill") as missing:
        reading.path(fill, size=2)
    assert missing.value.key == shelf.key(fill, size=2)
    entry = shelf.path(fill, size=2)
    assert reading.path(fill, size=2) == entry
    assert calls == [2]


def test_frames_are_always_read_back(shelf):
    calls.clear()
    first, second = shelf.frame(table, rows=3), shelf.frame(table, rows=3)
    assert calls == [3]
    pd.testing.assert_frame_equal(first, second)
    assert first["a"].tolist() == [0, 1 / 3, 2 / 3]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=9))
def test_numbers_survive_a_table_exactly(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("frame") / "t.csv.gz"
    write_frame(pd.DataFrame({"v": values}), path)
    back = read_frame(path)["v"].tolist()
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(values, back, strict=True))


def test_the_same_table_gives_the_same_bytes(tmp_path):
    frame = table(5)
    write_frame(frame, tmp_path / "a.csv.gz")
    time.sleep(1.1)  # gzip would keep the second
    write_frame(frame, tmp_path / "b.csv.gz")
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "a.txt"
    write_bytes(path, b"old")

    def fail(self, target):
        raise OSError("no room")

    monkeypatch.setattr(type(path), "replace", fail)
    with pytest.raises(OSError, match="no room"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def test_what_two_processes_need_is_computed_once(tmp_path):
    lock, log = tmp_path / "x.lock", tmp_path / "log"

    def work(name):
        with files.exclusive(lock):
            with open(log, "a") as handle:
                handle.write(f"{name} begins\n")
            time.sleep(0.05)
            with open(log, "a") as handle:
                handle.write(f"{name} ends\n")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = log.read_text().split()
    assert [lines[i] == lines[i + 2] for i in range(0, len(lines), 4)] == [True] * 3
