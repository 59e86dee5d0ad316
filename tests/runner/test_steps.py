import pytest

from xiqa.runner.steps import RefusedError, flat, heading, product_files, select

NAMES = ["01_data", "02_training", "03_saliency", "05_game", "train:a"]


@pytest.mark.parametrize(
    ("only", "since", "names"),
    [
        ([], None, NAMES),
        (["02"], None, ["02_training"]),
        (["05", "01_data"], None, ["01_data", "05_game"]),
        ([], "03", NAMES[2:]),
        (["02", "train"], "03", ["train:a"]),
    ],
)
def test_selection(only, since, names):
    assert select(NAMES, only, since) == names


def test_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(RefusedError, match="do you mean 03_saliency"):
        select(NAMES, ["03_salience"])


def test_files_of_products():
    assert product_files("fig_a") == ("fig_a.png", "fig_a.csv", "fig_a.json")
    assert product_files("midl_table_2") == tuple(f"midl_table_2.{form}" for form in ("csv", "md", "tex", "json"))


def test_flat():
    assert flat({"a": {"b": 1, "c": {"d": (2, 3)}}, "e": {}}) == {"a.b": 1, "a.c.d": [2, 3], "e": {}}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# One\ntext\n## Two *so* `far`", "Two so far"),
        ("no heading", ""),
        ("#hash\n#!x", ""),
        ("### A # B ##", "A # B"),
    ],
)
def test_heading(text, title):
    assert heading(text) == title
