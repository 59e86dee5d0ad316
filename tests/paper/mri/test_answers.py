import numpy as np
import pandas as pd
import pytest

from xiqa import uncertainty
from xiqa.paper.mri import answers


@pytest.fixture
def entry(tmp_path):
    rng, count = np.random.default_rng(0), 30
    records = pd.DataFrame({"image": np.arange(count).astype(str), "label": np.arange(count) % 2})
    for name, shape in {"plain": (), "mc": (20,), "flips": (8,)}.items():
        np.save(tmp_path / f"{name}.npy", rng.dirichlet([1, 1], (*shape, count)).astype(np.float32))
    return tmp_path, records


def test_answers_stand_beside_the_records(entry):
    folder, records = entry
    frame = answers.answers(folder, records)
    assert {"image", "label", "plain", *uncertainty.METRICS, "flip_probability"} <= set(frame.columns)
    assert not frame.isna().any().any()
    assert frame["plain"].to_numpy() == pytest.approx(np.load(folder / "plain.npy")[:, 1])
    (folder / "flips.npy").unlink()
    assert not any(column.startswith("flip_") for column in answers.answers(folder, records))
