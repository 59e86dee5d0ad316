import pandas as pd
import pytest

from xiqa.paper.pointing_game import shown


@pytest.mark.parametrize(
    ("outcomes", "expected"), [("hmhmhm", "0213"), ("hhhhm", "0124"), ("hmmmm", "0123"), ("dd", "0")]
)
def test_half_hits_then_half_misses_in_the_order_of_the_data_set(outcomes, expected):
    words = [{"h": "hit", "m": "miss", "d": "degenerate"}[letter] for letter in outcomes]
    outcome = pd.Series(words, index=[str(i) for i in range(len(words))])
    assert "".join(shown.choose(outcome, 4)) == expected


def test_a_miss_has_a_reason():
    reasons = [
        shown.reason(pd.Series({"outcome": outcome, "probability": p}))
        for outcome, p in (("hit", 0.1), ("miss", 0.49), ("miss", 0.5), ("degenerate", 0.9))
    ]
    assert reasons == ["hit", shown.NEGATIVE, shown.ELSEWHERE, "degenerate"]
