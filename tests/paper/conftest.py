import pytest


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty folders for results, figures and data, and no settings of a run."""
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"XIQA_{name}", str(tmp_path / name.lower()))
    for name in ("RUN", "STEP"):
        monkeypatch.delenv(f"XIQA_{name}", raising=False)
    return tmp_path
