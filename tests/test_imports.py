"""The import rules of the house, kept by walking the imports of every module."""

import ast
import importlib.util
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from xiqa.store.fingerprints import closure, reexported

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "store": 0,
    "errors": 1, "imbalance": 1, "metrics": 1,
    "models": 2, "recipes": 2, "runner": 2,
    "saliency": 3, "synthetic": 3, "uncertainty": 3,
    "data": 4, "pointing_game": 4, "sanity": 4,
    "localisation": 5, "pictures": 5, "training": 5,
    "paper": 6, "score": 6,
    "__main__": 7,
}  # fmt: skip
SCIENCE = FLOORS.keys() - {"store", "errors", "recipes", "runner", "__main__"}
ARRAYS = ("data.arrays.", "training.")
READERS = ("data.files", "data.records")
# What a chapter may import besides its own: the appendix what it belongs to, the sanity checks the pointing game.
CHAPTERS = {
    "audit": set(), "pointing_game": set(), "mri": set(), "sanity_checks": {"pointing_game"},
    "appendix.localisation": {"pointing_game"}, "appendix.explained_mri": {"mri"}, "appendix.mri_supplement": {"mri"},
}  # fmt: skip


def dotted(path: Path) -> str:
    """Name of a module below the package, without ``xiqa``."""
    name = ".".join(path.relative_to(ROOT / "xiqa").with_suffix("").parts)
    return name.removesuffix(".__init__").removesuffix("__init__")


MODULES = {dotted(path): path for path in sorted((ROOT / "xiqa").rglob("*.py"))}


def imports(name: str) -> set[str]:
    """Modules of the package that a module imports, wherever the statement stands, not for types alone."""
    path, names = MODULES[name], set()
    package = f"xiqa.{name}" if path.name == "__init__.py" else f"xiqa.{name}".rpartition(".")[0]
    nodes = list(ast.walk(ast.parse(path.read_text())))
    faces = [node for node in nodes if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"]
    guarded = {inner for node in faces for inner in ast.walk(node)}
    for node in nodes:
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            stem = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                full = f"{stem}.{alias.name}"
                names.add(full if full.removeprefix("xiqa.") in MODULES else stem)
    return {name.removeprefix("xiqa.") for name in names if name.startswith("xiqa.")} & MODULES.keys()


def part(name: str) -> str:
    return name.split(".")[0]


def chapter(name: str) -> str | None:
    """Chapter of the paper that a module belongs to."""
    return next((c for c in CHAPTERS if name.startswith(f"paper.{c}.") or name == f"paper.{c}"), None)


def test_the_top_of_the_package_is_small():
    modules = [name for name, path in MODULES.items() if path.parent == ROOT / "xiqa"]
    assert len(modules) <= 8, modules
    assert len(set(FLOORS.values())) <= 8
    assert {part(name) for name in MODULES} - {""} == FLOORS.keys()


@pytest.mark.parametrize("name", MODULES)
def test_an_import_goes_down(name):
    for other in imports(name):
        if part(other) != part(name):
            assert FLOORS[part(other)] < FLOORS[part(name)], f"{name} imports {other}"


def test_no_module_imports_itself_through_others():
    graph = {name: imports(name) - {name} for name in MODULES if MODULES[name].name != "__init__.py"}
    TopologicalSorter({name: [o for o in others if o in graph] for name, others in graph.items()}).prepare()


def test_store_and_runner_import_no_science():
    for name in MODULES:
        if part(name) in ("store", "runner"):
            assert not {part(other) for other in imports(name)} & SCIENCE, name


@pytest.mark.parametrize(
    "name", [n for n in MODULES if n.startswith(ARRAYS) or n.rpartition(".")[2] in ("observe", "sample")]
)
def test_what_computes_on_arrays_reaches_no_reader_and_no_table(name):
    others = [other.removeprefix("xiqa.") for other in closure([f"xiqa.{name}"])]  # faces followed by name
    assert not [other for other in others if other.startswith(READERS)]
    assert not [o for o in others if o.startswith("paper.") and o.rpartition(".")[2] in ("tables", "claims", "figures")]


@pytest.mark.parametrize("name", [n for n in MODULES if chapter(n)])
def test_a_chapter_imports_no_other_chapter(name):
    own = chapter(name)
    for other in imports(name):
        if (theirs := chapter(other)) and theirs != own:
            assert theirs in CHAPTERS[own], f"{name} imports {other}"


PUBLIC = {
    "data.object_cxr": "parse_annotation Shape read_split load_radiograph",
    "data.mri": "load_volume read_dataset preprocess geometry",
    "errors": "BadInput",
    "synthetic.kspace": "rigid_motion ghosting gibbs_ringing spike zipper wrap_around bias_field rician_noise "
    "susceptibility field_of_view_cut",
    "models": "build saliency_layers",
    "saliency": "explain ALL",
    "pointing_game": "play smooth grid_ceiling chance",
    "localisation": "froc insertion_deletion iou_curve average_precision energy_pointing_game",
    "sanity": "cascade independent",
    "uncertainty": "mc_dropout flips decompose refer",
    "imbalance": "ramp focal_loss",
    "metrics": "aurc augrc balanced_aurc balanced_augrc dffmr udm",
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_import(module):
    face = importlib.import_module(f"xiqa.{module}")
    for name in PUBLIC[module].split():
        assert hasattr(face, name), f"xiqa.{module}.{name}"


@pytest.mark.parametrize("package", ["saliency", "uncertainty", "models", "sanity", "localisation", "metrics"])
def test_no_name_of_a_face_is_also_a_module(package):
    face = importlib.import_module(f"xiqa.{package}")
    for name in reexported(Path(face.__file__).read_text(), f"xiqa.{package}"):
        assert f"{package}.{name}" not in MODULES
        assert getattr(face, name) is not None
