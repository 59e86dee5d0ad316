import numpy as np
import pytest

from xiqa import recipes
from xiqa.paper.audit import proofs
from xiqa.paper.audit.proofs import NOT, PART, SHOULD, Proof


def proof(kind, **bounds):
    return Proof("mri", kind, "?", lambda: None, **bounds)


@pytest.mark.parametrize(
    ("kind", "bounds", "interval", "verdict"),
    [
        (NOT, {}, (0.55, 0.49, 0.61), "holds"),
        (NOT, {}, (0.56, 0.51, 0.61), "fails"),
        (NOT, {}, (0.44, 0.39, 0.49), "fails"),
        (PART, {"most": 0.7}, (0.70, 0.6, 0.8), "holds"),
        (PART, {"most": 0.7}, (0.71, 0.6, 0.8), "fails"),
        (SHOULD, {"least": 0.95}, (0.96, 0.9, 0.99), "holds"),
        (SHOULD, {"least": 0.95}, (0.94, 0.9, 0.99), "fails"),
        (SHOULD, {}, (0.6, 0.5, 0.7), "-"),
        (NOT, {}, (np.nan, np.nan, np.nan), "not testable"),
    ],
)
def test_verdicts(kind, bounds, interval, verdict):
    assert proof(kind, **bounds).holds(*interval) == verdict


def test_what_is_expected_in_words():
    assert proof(NOT).expected == "0.5"
    assert proof(PART, most=0.75).expected == "at most 0.75"
    assert proof(SHOULD, least=0.95).expected == "at least 0.95"
    assert proof(SHOULD).expected == "-"


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_every_data_set_has_a_network_that_is_asked(profile):
    asked = recipes.audited(profile)
    assert set(asked) == {"object_cxr", "lvot", "mri"}
    for dataset, name in asked.items():
        recipe = recipes.recipe(profile, name)
        assert (recipe.dataset, recipe.seed) == (dataset, 0)


def test_the_frozen_simulators_are_the_code():
    from xiqa.synthetic import embedded

    for name, revisions in recipes.REVISIONS.items():
        assert revisions, f"the simulator of {name} is not frozen"
        assert revisions[-1].code == embedded.code(name), (
            f"the simulator of {name} changed: add a line to xiqa/recipes/frozen.py with what you had looked at"
        )
        assert [r.day for r in revisions] == sorted(r.day for r in revisions)


def test_the_other_scanner_is_another_data_set():
    for profile in recipes.PROFILES.values():
        for dataset, spec in profile.embedded.items():
            other = profile.other_scanner(dataset)
            assert other["scanner"] == "other"
            assert other["seed"] == spec["seed"]
            assert (profile.name, dataset, other) in recipes.embedded_specs()


def test_the_table_names_what_was_asked():
    import pandas as pd

    rows = pd.DataFrame(
        [{"dataset": "mri", "kind": NOT, "question": "q", "expected": "0.5", "auc": 0.5012, "low": 0.4, "high": 0.6,
          "positives": 3, "negatives": 5, "verdict": "holds"}]
    )  # fmt: skip
    shown = proofs.shown(rows).iloc[0]
    assert shown["AUC"] == "0.501 [0.400, 0.600]"
    assert shown["data set"] == "brain volumes"
    assert shown["positive / negative"] == "3 / 5"
