"""Faces of packages: a name is imported from its module when it is first used, so that a face alone loads nothing.

A face lists its names as imports under ``TYPE_CHECKING``, where readers, linters and the fingerprints find them.
"""

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
