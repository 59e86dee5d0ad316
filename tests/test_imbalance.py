import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from torch.nn import functional

from xiqa import imbalance

PAPER = {"start": 834, "end": 20_879, "artifacts": 417}

labels_of_two = st.lists(st.integers(0, 1), min_size=2, max_size=60).filter(
    lambda labels: 0 < sum(labels) < len(labels)
)


def test_ramp_is_the_papers():
    ramp = [imbalance.ramp(epoch, 5, **PAPER) for epoch in range(8)]
    assert [size for size, _ in ramp] == [834, 4843, 8852, 12861, 16870, 20879, 20879, 20879]
    assert [round(100 * clean, 1) for _, clean in ramp] == [50.0, 91.4, 95.3, 96.8, 97.5, 98.0, 98.0, 98.0]
    # Sizes are rounded to the nearest; without a ramp everything is shown from the start.
    assert [imbalance.ramp(epoch, 20, **PAPER)[0] for epoch in (0, 1, 3, 20, 21)] == [834, 1836, 3841, 20879, 20879]
    assert [imbalance.ramp(epoch, 100, **PAPER)[0] for epoch in (1, 2, 99)] == [1034, 1235, 20679]
    assert imbalance.ramp(0, 0, **PAPER) == (20_879, (20_879 - 417) / 20_879)


@pytest.mark.parametrize(("ramp_epochs", "epochs"), [(5, 53), (20, 60), (100, 100)])
def test_ramps_show_as_many_scans_as_fifty_epochs_of_everything(ramp_epochs, epochs):
    shown = sum(imbalance.ramp(epoch, ramp_epochs, **PAPER)[0] for epoch in range(epochs))
    assert round(100 * abs(shown / (50 * 20_879) - 1)) <= 3  # percent: 0.2, 0.8 and 3.0


@given(st.integers(0, 30), st.integers(0, 20), st.integers(1, 50), st.integers(0, 50), st.integers(0, 500))
def test_ramp_grows_from_start_to_end(epoch, ramp_epochs, artifacts, extra, more):
    start, end = artifacts + extra, artifacts + extra + more
    size, clean = imbalance.ramp(epoch, ramp_epochs, start, end, artifacts)
    after, cleaner = imbalance.ramp(epoch + 1, ramp_epochs, start, end, artifacts)
    assert start <= size <= after <= end
    assert clean == (size - artifacts) / size
    assert clean <= cleaner
    assert imbalance.ramp(ramp_epochs, ramp_epochs, start, end, artifacts)[0] == end


@pytest.mark.parametrize(
    "bad", [(0, 5, 4, 20, 5), (0, 5, 30, 20, 5), (0, 5, 0, 0, 0), (-1, 5, 1, 2, 1), (0, -1, 1, 2, 1)]
)
def test_impossible_ramps_are_refused(bad):
    with pytest.raises(ValueError, match="count from 0" if -1 in bad else "artifacts <= start <= end"):
        imbalance.ramp(*bad)


@given(labels_of_two, st.integers(0, 3))
def test_subsets_are_nested_and_hold_all_artifacts(labels, seed):
    artifacts, before = set(np.flatnonzero(labels)), set()
    for size in range(len(artifacts), len(labels) + 1):
        chosen = imbalance.subset(labels, size, seed)
        assert len(set(chosen)) == len(chosen) == size
        assert list(chosen) == sorted(chosen)
        assert artifacts | before <= set(chosen)
        before = set(chosen)


@given(labels_of_two, st.integers(0, 3), st.integers(0, 3))
def test_balanced_order_has_both_classes_equally_often(labels, seed, epoch):
    labels = np.array(labels)
    order = imbalance.balanced_order(labels, seed, epoch)
    assert len(order) == len(labels)
    assert labels[order].sum() == len(labels) // 2
    shown = np.bincount(order, minlength=len(labels))
    for kind in (0, 1):
        assert np.ptp(shown[labels == kind]) <= 1
    assert np.array_equal(order, imbalance.balanced_order(labels, seed, epoch))


def test_subsets_change_with_the_seed_and_orders_with_the_epoch_too():
    labels = np.repeat([0, 1], [100, 5])
    assert np.array_equal(imbalance.subset(labels, 30, 1), imbalance.subset(labels, 30, 1))
    assert not np.array_equal(imbalance.subset(labels, 30, 1), imbalance.subset(labels, 30, 2))
    for order in (imbalance.balanced_order, lambda labels, *key: imbalance.shuffled_order(len(labels), *key)):
        orders = [order(labels, *key) for key in ((0, 0), (0, 1), (1, 0))]
        assert not any(np.array_equal(a, b) for a, b in zip(orders, orders[1:] + orders[:1], strict=True))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (imbalance.subset, ([0, 1, 1, 0], 1, 0), "cannot hold"),
        (imbalance.subset, ([0, 1, 1, 0], 5, 0), "cannot hold"),
        (imbalance.balanced_order, ([0, 0, 0], 0, 0), "no scan"),
        (imbalance.class_weights, ([0, 0, 0],), "3 clean and 0"),
        (imbalance.shift_logits, (np.zeros((1, 2)), 0, 0.5), "between 0 and 1"),
        (imbalance.shift_logits, (np.zeros((1, 2)), 0.5, 1), "between 0 and 1"),
    ],
)
def test_what_is_not_possible_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_class_weights_are_the_papers():
    assert imbalance.class_weights(np.repeat([0, 1], 417)) == pytest.approx([1, 1])
    assert imbalance.class_weights(np.repeat([0, 1], [20_462, 417])) == pytest.approx([1, 49.07], abs=0.005)
    assert imbalance.class_weights([1, 1, 0]) == pytest.approx([2, 1])


def logits_and_target(scale=3.0, count=40, classes=2):
    generator = torch.Generator().manual_seed(0)
    logits = scale * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, classes, (count,), generator=generator)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_focal_loss_is_its_formula_and_cross_entropy_without_focus(gamma, classes):
    logits, target = logits_and_target(classes=classes)
    p = torch.softmax(logits, 1)[torch.arange(len(target)), target]
    torch.testing.assert_close(imbalance.focal_loss(logits, target, gamma), (-((1 - p) ** gamma) * p.log()).mean())
    logits = 10 * logits
    torch.testing.assert_close(imbalance.focal_loss(logits, target, 0.0), functional.cross_entropy(logits, target))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_weights_multiply_the_mean_is_over_scans_and_the_gradient_is_right(gamma):
    logits, target = logits_and_target(count=6)
    weight = torch.tensor([1.0, 7.0], dtype=torch.float64)
    terms = [imbalance.focal_loss(logits[[i]], target[[i]], gamma) * weight[target[i]] for i in range(len(target))]
    loss = lambda x: imbalance.focal_loss(x, target, gamma, weight)  # noqa: E731
    torch.testing.assert_close(loss(logits), torch.stack(terms).mean())
    assert torch.autograd.gradcheck(loss, logits.requires_grad_(), atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("size", [50.0, 1e4, 1e30])
def test_extreme_logits_give_finite_losses_and_gradients(gamma, size):
    logits = torch.tensor([[size, -size], [-size, size], [0, 0]], requires_grad=True)
    for target in ([0, 1, 0], [1, 0, 1]):
        loss = imbalance.focal_loss(logits, torch.tensor(target), gamma)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()
    wrong = imbalance.focal_loss(logits[:1], torch.tensor([1]), gamma)
    assert wrong.item() == pytest.approx(2 * size, rel=1e-6)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(-8, 8))
def test_a_shift_multiplies_the_odds(before, after, logit):
    logits = np.array([[0.0, logit]])
    shifted = imbalance.shift_logits(logits, before, after)
    ratio = (after / (1 - after)) / (before / (1 - before))
    assert shifted[0, 1] - shifted[0, 0] == pytest.approx(logit + np.log(ratio), abs=1e-9)
    back = imbalance.shift_logits(shifted, after, before)
    assert back == pytest.approx(logits, abs=1e-9)


def test_a_shift_makes_bayes_rule_of_resampled_data_that_of_the_population():
    """Two overlapping Gaussians: the posterior at one half, shifted, is the posterior at 2 %."""
    x = np.linspace(-3, 4, 50)
    likelihoods = np.stack([-(x**2) / 2, -((x - 1) ** 2) / 2], axis=1)
    shifted = imbalance.shift_logits(likelihoods + np.log(0.5), 0.5, 0.02)
    assert softmax(shifted, axis=1) == pytest.approx(softmax(likelihoods + np.log([0.98, 0.02]), axis=1))
