import numpy as np
import pandas as pd
import pytest

from xiqa.paper import products
from xiqa.paper.mri import convergence


def test_means_over_halvings():
    repeats = pd.DataFrame({"samples": [1, 1, 10], "repeat": [0, 1, 0], "auc": [0.8, 0.9, 0.9], "sse": [1.0, 3.0, 1.0]})
    table = convergence.summarised(repeats.assign(nmse=1.0)).set_index("samples")
    assert table.loc[1, "auc"] == pytest.approx(0.85)
    assert table.loc[1, "sse_sd"] == pytest.approx(np.sqrt(2))


def test_published_numbers():
    printed = convergence.published_convergence(products.published()).set_index("samples")
    assert printed.loc[10, "nmse"] == pytest.approx(0.157)
