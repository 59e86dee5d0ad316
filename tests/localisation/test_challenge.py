import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa.data.shapes import Shape, parse_annotation
from xiqa.localisation.challenge import OPERATING_POINTS, froc, interval, rank, sensitivities


def box(x1, y1, x2, y2):
    return Shape("rectangle", ((x1, y1), (x2, y2)))


def by_hand(points, shapes):
    """The challenge's rule as it reads, one point at a time."""
    pooled = [(p, x, y, i) for i, some in enumerate(points) for p, x, y in some]
    pooled = sorted(pooled, key=lambda point: point[0], reverse=True)
    total, hit, false, noted = sum(map(len, shapes)), set(), 0, []
    for _, x, y, image in pooled:
        inside = [k for k, shape in enumerate(shapes[image]) if shape.contains(x, y)]
        hit |= {(image, k) for k in inside}
        false += not inside
        if false / len(points) >= OPERATING_POINTS[len(noted)]:
            noted.append(len(hit) / total)
            if len(noted) == len(OPERATING_POINTS):
                break
    while len(noted) < len(OPERATING_POINTS):
        noted.append(noted[-1] if noted else len(hit) / total)
    return noted


def test_perfect_points_score_one():
    score, curve = froc([[(0.9, 2, 2)], []], [[box(0, 0, 4, 4)], []])
    assert score == 1
    assert curve["false_positives"].tolist() == list(OPERATING_POINTS)
    assert curve["sensitivity"].tolist() == [1] * 7


def test_a_false_alarm_before_the_hit_costs_the_operating_points_it_passes():
    # Four images: one false alarm is a quarter an image, so it stands for 1/8 and the hit that follows for 1/4.
    points = [[(0.9, 50, 50), (0.8, 2, 2)], [], [], []]
    score, curve = froc(points, [[box(0, 0, 4, 4)], [], [], []])
    assert curve["sensitivity"].tolist() == [0] + [1] * 6
    assert score == pytest.approx(6 / 7)


def test_one_point_uses_up_one_operating_point():
    # One image: the alarm passes 1/8 ... 1 at once, and each later point notes one of them.
    points = [[(0.9, 50, 50), (0.8, 2, 2), (0.7, 22, 2)]]
    _, curve = froc(points, [[box(0, 0, 4, 4), box(20, 0, 24, 4)]])
    assert curve["sensitivity"].tolist() == [0, 0.5] + [1] * 5


def test_a_list_that_ends_early_is_padded_with_what_was_noted_last():
    # The alarm is noted at once; the hit, which comes when no operating point is reached, is not.
    points = [[(0.9, 50, 50)], [(0.8, 2, 2)], *[[] for _ in range(6)]]
    _, curve = froc(points, [[], [box(0, 0, 4, 4)], *[[] for _ in range(6)]])
    assert curve["sensitivity"].tolist() == [0] * 7


def test_one_point_hits_every_object_that_contains_it_and_each_only_once():
    shapes = [[box(0, 0, 4, 4), box(2, 2, 6, 6), box(50, 50, 60, 60)]]
    ranked = rank([[(0.9, 3, 3), (0.8, 3, 3), (0.7, 5, 5)]], shapes)
    assert ranked.hits.tolist() == [2, 0, 0]
    assert not ranked.false.any()
    assert froc([[(0.9, 3, 3)]], shapes)[0] == pytest.approx(2 / 3)


def test_the_true_shape_counts_and_not_its_box():
    ellipse = parse_annotation("1 0 0 10 20")
    assert froc([[(0.5, 0.5, 0.5)]], [ellipse])[0] == 0
    assert froc([[(0.5, 5, 20)]], [ellipse])[0] == 1


def test_equal_probabilities_go_by_image_and_place():
    first, second = [[(0.5, 9, 9)], [(0.5, 1, 1)]], [[(0.5, 1, 1)], [(0.5, 9, 9)]]
    shapes = [[box(0, 0, 4, 4)], [box(0, 0, 4, 4)]]
    assert froc(first, shapes)[1]["sensitivity"].tolist() == [0, 0.5, *[0.5] * 5]
    assert froc(second, shapes)[1]["sensitivity"].tolist() == [0.5] * 7


def test_without_objects_there_is_no_score():
    assert np.isnan(froc([[(0.5, 1, 1)], []], [[], []])[0])
    assert np.isnan(froc([], [])[0])


def test_without_points_nothing_is_found():
    assert froc([[], []], [[box(0, 0, 1, 1)], []])[0] == 0


coordinate = st.integers(0, 12)
some_points = st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.5, 0.9]), coordinate, coordinate), max_size=12)
some_shapes = st.lists(
    st.builds(
        lambda x, y, w, h, kind: Shape(kind, ((x, y), (x + w, y + h))),
        coordinate, coordinate, st.integers(0, 6), st.integers(0, 6), st.sampled_from(["rectangle", "ellipse"]),
    ),
    max_size=3,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(some_points, some_shapes), min_size=1, max_size=6))
def test_it_is_the_rule_one_point_at_a_time(images):
    points, shapes = zip(*images, strict=True)
    score, curve = froc(points, shapes)
    if any(shapes):
        assert curve["sensitivity"].to_numpy() == pytest.approx(by_hand(points, shapes))
        assert score == pytest.approx(np.mean(by_hand(points, shapes)))
    else:
        assert np.isnan(score)


@pytest.mark.parametrize("bad", [(0.5, 1), (np.nan, 1, 1), (0.5, np.inf, 1)])
def test_points_that_are_not_three_finite_numbers_are_refused(bad):
    with pytest.raises(ValueError, match="image 1 "):
        froc([[(0.5, 1, 1)], [bad]], [[], []])


def test_lists_of_different_length_are_refused():
    with pytest.raises(ValueError, match="differ"):
        froc([[]], [[], []])


def made(seed, count=30):
    rng = np.random.default_rng(seed)
    shapes = [[box(x, y, x + 10, y + 10) for x, y in rng.integers(0, 90, (rng.integers(3), 2))] for _ in range(count)]
    points = [[tuple(p) for p in rng.random((8, 3)) * (1, 100, 100)] for _ in range(count)]
    for some, objects in zip(points, shapes, strict=True):
        some += [(0.5 + rng.random() / 2, *np.mean(shape.points, 0)) for shape in objects if rng.random() < 0.7]
    return points, shapes


def test_an_image_drawn_twice_is_two_images():
    points, shapes = made(0)
    ranked, times = rank(points, shapes), np.random.default_rng(1).integers(0, 3, len(points))
    again = times[ranked.image]
    fast = sensitivities(
        np.repeat(ranked.hits, again), np.repeat(ranked.false, again), times.sum(), (times * ranked.objects).sum()
    )
    slow = froc(np.repeat(np.array(points, object), times), np.repeat(np.array(shapes, object), times))
    assert fast == pytest.approx(slow[1]["sensitivity"].to_numpy())


def test_the_interval_surrounds_the_score_and_repeats():
    points, shapes = made(2)
    score, ranked = froc(points, shapes)[0], rank(points, shapes)
    low, high = interval(ranked)
    assert 0 < low < score < high < 1
    assert interval(ranked) == (low, high) != interval(ranked, seed=1)


def test_few_units_give_a_wide_interval():
    points, shapes = made(3, count=12)
    ranked = rank(points * 5, shapes * 5)
    alone, grouped = interval(ranked), interval(ranked, units=list(range(12)) * 5)
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])
    assert interval(ranked, units=["p"] * 60) == pytest.approx((froc(points, shapes)[0],) * 2, abs=0.05)


def test_no_object_no_interval():
    assert np.isnan(interval(rank([[(0.5, 1, 1)]], [[]]))).all()
