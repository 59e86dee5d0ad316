"""Faces of packages: a name, listed as an import under ``TYPE_CHECKING``, is imported when it is first used."""

import importlib
from collections.abc import Callable
from pathlib import Path

from xiqa.store.fingerprints import reexported


def lazy(package: str, file: str) -> Callable[[str], object]:
    """The ``__getattr__`` of a package (PEP 562) that gives the names which its face imports for types."""
    names = reexported(Path(file).read_text(), package)

    def load(name: str) -> object:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, attribute = names[name].rpartition(".")
        return getattr(importlib.import_module(module), attribute)

    return load
