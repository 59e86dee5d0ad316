from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiqa import recipes
from xiqa.training import epochs

RECIPE = asdict(recipes.VolumeClassifier("baseline", 0, batch=5, steps=100))
LABELS = np.repeat([0, 1], [40, 7])
RATES = (1e-6, 1e-3)


@given(st.integers(1, 200), st.integers(1, 9), st.integers(1, 10), st.integers(0, 60), st.integers(0, 6))
def test_a_schedule_spends_exactly_its_steps(steps, batch, artifacts, clean, ramp_epochs):
    end = artifacts + max(clean, artifacts)
    plan = epochs.schedule(steps, batch, end, artifacts, ramp_epochs, 2 * artifacts)
    assert sum(epoch.steps for epoch in plan) == steps
    assert [epoch.number for epoch in plan] == list(range(len(plan)))
    assert [epoch.first_step for epoch in plan] == list(np.cumsum([0, *(epoch.steps for epoch in plan[:-1])]))
    for epoch in plan[:-1]:
        assert epoch.steps == int(np.ceil(epoch.size / batch))
    assert 1 <= plan[-1].steps <= int(np.ceil(plan[-1].size / batch))


def test_the_papers_budget_is_fifty_epochs():
    plan = epochs.schedule(208_790, 5, 20_879, 417)
    assert (len(plan), plan[0].size, plan[0].steps) == (50, 20_879, 4176)


@pytest.mark.parametrize("bad", [(0, 5), (5, 0)])
def test_no_steps_are_refused(bad):
    with pytest.raises(ValueError, match="at least one step"):
        epochs.schedule(*bad, 10, 2)


def test_arms_start_from_the_same_set():
    ramp = epochs.epochs(LABELS, RECIPE | {"ramp_epochs": 4})
    priming = epochs.epochs(LABELS, RECIPE | {"stage": "priming"})
    baseline = epochs.epochs(LABELS, RECIPE)
    assert (ramp[0].size, ramp[0].clean_fraction) == (priming[0].size, priming[0].clean_fraction) == (14, 0.5)
    assert {epoch.size for epoch in priming} == {14}
    assert {epoch.size for epoch in baseline} == {ramp[-1].size} == {47}
    shown = [set(np.concatenate(epochs.batches(LABELS, plan[0], RECIPE))) for plan in (ramp, priming, baseline)]
    assert shown[0] == shown[1] < shown[2] == set(range(47))


def test_more_artifacts_than_clean_scans():
    assert epochs.epochs(1 - LABELS, RECIPE | {"stage": "priming"})[0].size == 47


@pytest.mark.parametrize("kind", [0, 1])
def test_one_class_is_refused(kind):
    with pytest.raises(ValueError, match="clean scans and artifacts"):
        epochs.epochs(np.full(5, kind), RECIPE)


@pytest.mark.parametrize("batch", [3, 5, 46])
def test_every_scan_is_shown_once_in_batches_of_like_size(batch):
    recipe = RECIPE | {"batch": batch}
    epoch = epochs.epochs(LABELS, recipe)[0]
    found = epochs.batches(LABELS, epoch, recipe)
    assert sorted(np.concatenate(found)) == list(range(47))
    sizes = [len(rows) for rows in found]
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    assert len(found) == epoch.steps


def test_the_balanced_sampler_shows_both_classes_equally_often():
    recipe = RECIPE | {"sampler": "balanced"}
    rows = np.concatenate(epochs.batches(LABELS, epochs.epochs(LABELS, recipe)[0], recipe))
    assert (len(rows), LABELS[rows].sum()) == (47, 23)


def test_orders_follow_from_seed_and_epoch():
    plan = epochs.epochs(LABELS, RECIPE)
    first, again, other, third = (
        np.concatenate(epochs.batches(LABELS, plan[epoch], RECIPE | {"seed": seed}))
        for epoch, seed in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, third)


def test_a_cut_epoch_shows_its_first_batches():
    plan = epochs.epochs(LABELS, RECIPE | {"steps": 4})
    whole = epochs.epochs(LABELS, RECIPE)
    assert (len(plan), plan[0].steps) == (1, 4)
    cut = epochs.batches(LABELS, plan[0], RECIPE)
    for a, b in zip(cut, epochs.batches(LABELS, whole[0], RECIPE), strict=False):
        assert np.array_equal(a, b)


def test_the_cycle_is_a_triangle_an_epoch():
    plan = epochs.schedule(20 * 4, 5, 100, 10)
    found = [epochs.rate(step, plan, RECIPE | {"decay": 0}) for step in range(80)]
    rise = np.interp(np.arange(20), [0, 10, 20], [RATES[0], RATES[1], RATES[0]])
    assert found == pytest.approx(np.tile(rise, 4))
    assert epochs.rate(80, plan, RECIPE | {"decay": 0}) == pytest.approx(RATES[0])


def test_the_amplitude_decays_in_the_last_epochs():
    plan = epochs.schedule(4 * 50, 5, 20, 4)
    peaks = np.array([epochs.rate(4 * epoch + 2, plan, RECIPE | {"decay": 10}) for epoch in range(50)])
    alpha = np.exp(np.log(1e-6) / 10)
    expected = np.where(np.arange(50) < 40, 1.0, alpha ** (np.arange(50) - 40.0))
    assert (peaks - RATES[0]) / (RATES[1] - RATES[0]) == pytest.approx(expected)


@pytest.mark.parametrize(("count", "late"), [(4, 0), (10, 2), (49, 9), (50, 10), (60, 10)])
def test_the_decay_takes_at_most_a_fifth(count, late):
    plan = epochs.schedule(2 * count, 5, 10, 4)
    peaks = [epochs.rate(2 * epoch + 1, plan, RECIPE | {"decay": 10}) for epoch in range(count)]
    assert sum(peak < 0.999 * max(peaks) for peak in peaks) == max(0, late - 1)
    assert peaks[-1] == pytest.approx(RATES[0] + (RATES[1] - RATES[0]) * (1e-6 ** ((late - 1) / late) if late else 1))


def test_one_cycle_rises_for_a_tenth_and_falls_as_a_cosine_whatever_the_epochs_are():
    recipe = RECIPE | {"schedule": "one_cycle", "rates": (0.1, 1.1)}
    for share in (1.0, 0.2):
        plan = epochs.schedule(200, 5, 100, 10, share=share)
        rates = np.array([epochs.rate(step, plan, recipe) for step in range(200)])
        assert rates[:20] == pytest.approx(0.1 + np.arange(1, 21) / 20)
        assert rates[20:] == pytest.approx(0.6 + 0.5 * np.cos(np.pi * np.arange(180) / 180))


def test_ramped_epochs_each_have_their_own_cycle():
    plan = epochs.epochs(LABELS, asdict(replace(recipes.VolumeClassifier("ramp", 0), steps=25, ramp_epochs=3)))
    for epoch in plan:
        rates = [epochs.rate(epoch.first_step + i, plan, RECIPE | {"decay": 0}) for i in range(epoch.steps)]
        assert rates[0] == RATES[0]
        assert max(rates) == pytest.approx(rates[epoch.steps // 2])
        assert rates[1:] == pytest.approx(rates[:0:-1])
