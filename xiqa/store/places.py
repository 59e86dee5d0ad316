"""Places of a checkout: results, figures, embedded data."""

import os
from pathlib import Path


def project_root() -> Path:
    """The checkout: ``XIQA_ROOT``, else the folder above the package, else (installed elsewhere) the current one."""
    if "XIQA_ROOT" in os.environ:
        return Path(os.environ["XIQA_ROOT"]).resolve()
    above = Path(__file__).resolve().parents[2]
    return above if (above / "run_all.py").is_file() else Path.cwd()


def results_root() -> Path:
    """Where runs keep what is theirs: ``XIQA_RESULTS``, else ``results`` in the checkout."""
    return Path(os.environ.get("XIQA_RESULTS", project_root() / "results")).resolve()


def figures_root() -> Path:
    """Where tables and figures go: ``XIQA_FIGURES``, else ``figures`` in the checkout."""
    return Path(os.environ.get("XIQA_FIGURES", project_root() / "figures")).resolve()


def data_root() -> Path:
    """Where embedded data are written: ``XIQA_DATA``, else ``data`` in the checkout."""
    return Path(os.environ.get("XIQA_DATA", project_root() / "data")).resolve()
