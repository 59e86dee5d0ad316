import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiqa.store import digests, fingerprints
from xiqa.store.digests import digest, folder_digest
from xiqa.store.fingerprints import closure, code_digest, imported, syntax
from xiqa.store.hardware import device_kind

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.dictionaries(st.text(), PLAIN, max_size=5))
def test_digest_does_not_see_the_order_of_a_dictionary(value):
    assert digest(value) == digest(dict(reversed(value.items())))


def test_digest_refuses_what_has_no_plain_form():
    with pytest.raises(TypeError, match="object cannot stand in a fingerprint"):
        digest({"a": object()})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1", "x  =  1  # a remark\n", True),
        ("def f():\n    return 1", 'def f():\n    "What it does."\n    return 1', True),
        ("class A:\n    'A.'", "class A:\n    pass", True),
        ('"""Module."""\nx = 1', "x = 1", True),
        ("x = 1", "x = 2", False),
        ("x = 'text'", "x = 'other'", False),
        ("def f(a=1): pass", "def f(a=2): pass", False),
        ("@cache\ndef f(): pass", "def f(): pass", False),
    ],
)
def test_syntax_is_blind_to_wording_only(one, other, same):
    assert (syntax(one) == syntax(other)) is same


def test_imported_finds_every_form_and_place():
    source = (
        "import os.path\nfrom a import b as c\nif True:\n    def f():\n        from .near import thing\n"
        "        from . import sibling\n        from ..far import x"
    )
    assert set(imported(source, "pack.inner")) == {
        "os.path", "a.b", "pack.inner.near.thing", "pack.inner.sibling", "pack.far.x"
    }  # fmt: skip


def test_a_package_used_by_attributes_is_followed_by_name():
    assert imported("from a import pack\npack.one(pack.two)") == ("a.pack.one", "a.pack.two")
    assert imported("from a import pack as p\np.one\nf(p)") == ("a.pack",)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package instead of ours: ``pack`` re-exports names of two modules; a circle between low and top."""
    files = {
        "__init__.py": "",
        "top.py": "from xiqa import low, pack\nfrom xiqa.pack import side\npack.x",
        "low.py": "def later():\n    import xiqa.top",
        "alone.py": "import numpy",
        "whole.py": "from xiqa import pack\nprint(pack)",
        "pack/__init__.py": "from .deep import x\nfrom xiqa.pack.far import y",
        "pack/side.py": "",
        "pack/deep.py": "x = 1",
        "pack/far.py": "y = 1",
    }
    for name, text in files.items():
        (tmp_path / "xiqa" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "xiqa" / name).write_text(text)
    (tmp_path / "xiqa/store").mkdir()
    monkeypatch.setattr(fingerprints, "__file__", str(tmp_path / "xiqa/store/fingerprints.py"))
    fingerprints._file.cache_clear()
    yield tmp_path / "xiqa"
    fingerprints._file.cache_clear()


def test_closure_follows_imports_through_faces_and_circles(package):
    assert closure(["xiqa.top"]) == ["xiqa.low", "xiqa.pack.deep", "xiqa.pack.side", "xiqa.top"]
    assert closure(["xiqa.whole"]) == ["xiqa.pack", "xiqa.pack.deep", "xiqa.pack.far", "xiqa.whole"]
    assert closure(["xiqa.alone"]) == ["xiqa.alone"]
    assert closure(["xiqa.nothing", "os"]) == ["xiqa"]


def test_closure_leaves_out_modules_and_what_only_they_reach(package):
    assert closure(["xiqa.top"], ["xiqa.pack"]) == ["xiqa.low", "xiqa.top"]


def test_code_digest_sees_a_change_in_any_module_of_the_closure(package):
    before = code_digest(closure(["xiqa.top"]))
    (package / "pack/deep.py").write_text("x = 1  # the same")
    (package / "pack/far.py").write_text("y = 2")
    assert code_digest(closure(["xiqa.top"])) == before
    (package / "pack/deep.py").write_text("x = 2")
    assert code_digest(closure(["xiqa.top"])) != before


def test_folder_digest_sees_names_and_contents_only(tmp_path):
    folder = tmp_path / "data"
    (folder / "in").mkdir(parents=True)
    (folder / "in/a.txt").write_text("a")
    (folder / ".hidden").write_text("h")
    before = folder_digest(folder)
    os.utime(folder / "in/a.txt", (1, 1))
    (folder / ".hidden").write_text("other")
    assert folder_digest(folder) == before
    (folder / "in/a.txt").rename(folder / "in/b.txt")
    renamed = folder_digest(folder)
    assert renamed != before
    (folder / "in/b.txt").write_text("b")
    assert folder_digest(folder) not in (before, renamed)
    assert folder_digest(folder.rename(tmp_path / "moved")) == folder_digest(tmp_path / "moved")


def test_memory_of_a_folder_saves_reading_but_changes_nothing(tmp_path, monkeypatch):
    folder, memory = tmp_path / "data", tmp_path / "hashes.json"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.txt").write_text(str(i))
    before = folder_digest(folder, memory)
    read = []
    original = digests.file_digest
    monkeypatch.setattr(digests, "file_digest", lambda path: read.append(path.name) or original(path))
    assert folder_digest(folder, memory) == before
    assert read == []
    (folder / "1.txt").write_text("9")
    assert folder_digest(folder, memory) == folder_digest(folder) != before
    assert read[0] == "1.txt"
    memory.write_text(json.dumps(json.loads(memory.read_text()))[:-9])
    assert folder_digest(folder, memory) == folder_digest(folder)


def test_device_is_what_the_environment_says(monkeypatch):
    monkeypatch.setenv("XIQA_DEVICE", "cuda")
    assert device_kind() == "cuda"
    assert device_kind("cpu") == "cpu"
    monkeypatch.delenv("XIQA_DEVICE")
    assert device_kind() in ("cpu", "cuda")
