"""Films for the tests of the embedded radiographs."""

import pytest

from xiqa.synthetic.chest import draw


@pytest.fixture(scope="session")
def films():
    """Pairs of (label, film) at 96 px."""
    return [(i % 2, draw(5, i, i % 2, 96)) for i in range(60)]
