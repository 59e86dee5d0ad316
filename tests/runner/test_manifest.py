import pytest

from xiqa.runner.manifest import changes


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        ({"code": {"a.py": "1"}}, {"code": {"a.py": "2"}}, ["the code of a.py changed"]),
        ({"modules": {"xiqa.a": "1"}}, {"modules": {}}, ["the code of xiqa.a is no longer used"]),
        ({"parameters": {"seed": 0}}, {"parameters": {"seed": 1}}, ["parameter seed changed from 0 to 1"]),
        ({"parameters": {}}, {"parameters": {"seed": None}}, ["parameter seed is new: null"]),
        ({"recipe": {"lr": 0.1}}, {"recipe": {"lr": 0.2}}, ["the recipe's lr changed from 0.1 to 0.2"]),
        ({"data": {"films": "1"}}, {"data": {"films": "2"}}, ["the data films changed"]),
        ({"needs": {"a": "1"}}, {"needs": {"a": "2", "b": "1"}}, ["the result of a changed", "the result of b is new"]),
        ({"needs": {"a": "1"}}, {"needs": {}}, ["the result of a is no longer used"]),
        ({"versions": {"torch": "1"}}, {"versions": {"torch": "2"}}, ["the version of torch changed from 1 to 2"]),
        ({"machine": {"threads": 1}}, {"machine": {"threads": 2}}, ["threads changed from 1 to 2"]),
        ({"files": {"a.toml": "1"}}, {"files": {"a.toml": "2"}}, ["the file a.toml changed"]),
        ({"code": {"a": "1"}}, {"code": {"a": "1"}}, []),
    ],
)
def test_changes_in_words(before, now, words):
    assert changes(before, now) == words
