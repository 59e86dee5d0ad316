"""The generators of embedded data and their fingerprints."""

import importlib
from pathlib import Path
from types import ModuleType

from xiqa.store.digests import digest
from xiqa.store.fingerprints import closure, code_digest

GENERATORS = {"object_cxr": "xiqa.synthetic.chest", "lvot": "xiqa.synthetic.heart", "mri": "xiqa.synthetic.head"}


def generator(name: str) -> ModuleType:
    """The module that writes a data set: ``write(folder, spec)``. Imported here, since it needs imaging libraries."""
    return importlib.import_module(GENERATORS[name])


def fingerprint(name: str, spec: dict) -> str:
    """Hash of a data set: its specification and the code of its generator."""
    return digest({"name": name, "spec": spec, "code": code(name)})


def code(name: str) -> str:
    """Hash of the code of a data set's generator."""
    return code_digest(closure([GENERATORS[name]], leave_out=("xiqa.store", "xiqa.data", "xiqa.errors")))


def without(name: str, root: Path, split: str, path: str) -> Path | None:
    """The same item without the cause of its label, where one is kept; ``path`` is the item's, below ``root``."""
    return generator(name).without(Path(root), split, path)
