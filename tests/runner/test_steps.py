from pathlib import Path

import pytest

from xiqa.runner.steps import RefusedError, Step, flat, in_order, product_files, select

NAMES = ["01_data", "02_training:a", "02_training", "03_saliency", "05_game"]
STEPS = [
    Step("01_data", Path("01.py")),
    Step("02_training:a", Path("02.py")),
    Step("02_training", Path("02.py"), needs=("02_training:a",)),
    Step("03_saliency", Path("03.py"), needs=("02_training",)),
    Step("05_game", Path("05.py"), needs=("03_saliency", "01_data")),
]


def test_every_step_comes_after_what_it_needs():
    found = [step.name for step in in_order(STEPS[::-1])]
    for step in STEPS:
        assert all(found.index(need) < found.index(step.name) for need in step.needs)


def test_the_order_given_is_kept_where_it_can_be():
    steps = [Step("a", Path()), Step("c", Path(), after=("d",)), Step("b", Path(), needs=("a",)), Step("d", Path())]
    assert [step.name for step in in_order(steps)] == ["a", "b", "d", "c"]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([Step("a", Path(), after=("b",))], "needs b, which is no step"),
        ([Step("a", Path(), needs=("b",))], "needs b, which is no step"),
        ([Step("a", Path(), needs=("b",)), Step("b", Path(), needs=("a",))], "in a circle"),
        ([Step("a", Path()), Step("a", Path())], "same name"),
    ],
)
def test_broken_graphs(steps, message):
    with pytest.raises(ValueError, match=message):
        in_order(steps)


@pytest.mark.parametrize(
    ("only", "since", "names"),
    [
        ([], None, NAMES),
        (["02"], None, ["02_training:a", "02_training"]),
        (["05", "01_data"], None, ["01_data", "05_game"]),
        ([], "02_training:a", NAMES[1:]),
        ([], "03", NAMES[3:]),
        (["02", "05"], "03", ["05_game"]),
    ],
)
def test_selection(only, since, names):
    assert [step.name for step in select(STEPS, only, since)] == names


def test_unknown_step_names_the_nearest():
    with pytest.raises(RefusedError, match="do you mean 03_saliency"):
        select(STEPS, ["03_salience"])


def test_a_step_is_named_for_files_and_knows_whether_it_is_the_notebook_itself():
    assert [step.stem for step in STEPS[1:3]] == ["02_training-a", "02_training"]
    assert [step.main for step in STEPS] == [True, False, True, True, True]


def test_files_of_products():
    assert product_files("fig_a") == ("fig_a.png", "fig_a.csv", "fig_a.json")
    assert product_files("midl_table_2") == tuple(f"midl_table_2.{form}" for form in ("csv", "md", "tex", "json"))


def test_flat():
    assert flat({"a": {"b": 1, "c": {"d": (2, 3)}}, "e": {}}) == {"a.b": 1, "a.c.d": [2, 3], "e": {}}
