import pytest

from xiqa.data.files.volumes import load_volume
from xiqa.errors import BadInput


@pytest.fixture
def outcome():
    """The function that returns a volume, or why there is none; anything else that is raised fails the test."""

    def load(path):
        try:
            return load_volume(path)
        except BadInput as error:
            return error

    return load
