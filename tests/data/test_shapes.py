import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xiqa.data.shapes import KINDS, Shape, parse_annotation
from xiqa.errors import BadInput

whole = st.integers(-5, 30)
real = st.floats(-5, 30, allow_nan=False).map(lambda value: round(value, 3))
number = st.one_of(whole, real)


@st.composite
def shapes(draw, value=number):
    kind = draw(st.sampled_from(["rectangle", "ellipse", "polygon"]))
    if kind == "polygon":
        return Shape(kind, tuple(draw(st.lists(st.tuples(value, value), min_size=3, max_size=8))))
    (x1, x2), (y1, y2) = (sorted([draw(value), draw(value)]) for _ in range(2))
    return Shape(kind, ((x1, y1), (x2, y2)))


def test_the_three_kinds_are_parsed():
    rectangle, ellipse, polygon = parse_annotation("0 122 163 177 231;1 1 2 3 4;2 0 0 4 0 4 4")
    assert rectangle == Shape("rectangle", ((122, 163), (177, 231)))
    assert rectangle.box == (122, 163, 177, 231)
    assert (ellipse.kind, ellipse.box) == ("ellipse", (1, 2, 3, 4))
    assert polygon == Shape("polygon", ((0, 0), (4, 0), (4, 4)))


@pytest.mark.parametrize("text", ["", "   ", ";", " ; ", None, float("nan"), "nan", np.nan])
def test_empty_cells_mean_no_object(text):
    assert parse_annotation(text) == []


@pytest.mark.parametrize("text", ["0 1 2 3 4;", "  0  1 2   3 4  ", "0 1 2 3 4 ; ", "0\t1 2 3 4", "0 1.0 2e0 3 4;;"])
def test_stray_spaces_and_semicolons_are_tolerated(text):
    assert parse_annotation(text) == [Shape("rectangle", ((1, 2), (3, 4)))]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3 1 2 3 4", "unknown_shape"),
        ("rectangle 1 2 3 4", "unknown_shape"),
        ("-1 1 2 3 4", "unknown_shape"),
        ("0 1 2 3", "odd_coordinates"),
        ("2 1 2 3 4 5", "odd_coordinates"),
        ("0 1 2", "wrong_count"),
        ("0", "wrong_count"),
        ("1 1 2 3 4 5 6", "wrong_count"),
        ("2 1 2 3 4", "too_few_points"),
        ("2", "too_few_points"),
        ("0 3 2 1 4", "reversed_box"),
        ("1 1 4 3 2", "reversed_box"),
        ("0 1 2 x 4", "not_a_number"),
        ("0 1,2 3 4 5", "not_a_number"),
        ("0 1_0 2 30 4", "not_a_number"),
        ("0 1 2 nan 4", "not_finite"),
        ("1 1 2 inf 4", "not_finite"),
        ("2 1 2 3 4 5 1e999", "not_finite"),
        ("0 1 2 3 4;0 1 2 3", "odd_coordinates"),
    ],
)
def test_a_wrong_annotation_gets_one_sentence(text, reason):
    with pytest.raises(BadInput) as caught:
        parse_annotation(text)
    assert caught.value.reason == reason
    assert ": " in caught.value.message
    assert "\n" not in caught.value.message


def test_long_annotations_are_shortened_in_messages():
    with pytest.raises(BadInput) as caught:
        parse_annotation("2 " + "12345 " * 999)
    assert len(str(caught.value)) < 200


@given(st.lists(shapes(), max_size=4))
def test_the_text_of_shapes_is_parsed_as_these_shapes(expected):
    codes = {kind: code for code, kind in KINDS.items()}
    numbers = [[codes[shape.kind], *(repr(value) for point in shape.points for value in point)] for shape in expected]
    assert parse_annotation(";".join(map(" ".join, numbers))) == expected


@settings(deadline=None)
@given(shapes(), st.integers(0, 25), st.integers(0, 25))
def test_mask_is_contains_at_every_pixel(shape, height, width):
    mask = shape.mask(height, width)
    assert mask.shape == (height, width)
    assert mask.dtype == bool
    brute = [[shape.contains(x, y) for x in range(width)] for y in range(height)]
    np.testing.assert_array_equal(mask, np.array(brute, dtype=bool).reshape(height, width))
    y, x = np.mgrid[:height, :width]
    np.testing.assert_array_equal(mask, shape.contains(x, y))


@given(shapes(), st.floats(0.01, 10), st.floats(0.01, 10))
def test_scaling_multiplies_box_and_keeps_what_is_inside(shape, sx, sy):
    scaled = shape.scaled(sx, sy)
    x1, y1, x2, y2 = shape.box
    assert scaled.kind == shape.kind
    assert scaled.box == pytest.approx((x1 * sx, y1 * sy, x2 * sx, y2 * sy))
    for x, y in shape.points if shape.kind == "polygon" else []:
        assert scaled.contains(x * sx, y * sy)


@given(shapes(whole))
def test_moving_by_whole_pixels_moves_the_mask(shape):
    np.testing.assert_array_equal(shape.moved(2, 3).mask(28, 27)[3:, 2:], shape.mask(25, 25))


def test_edges_of_a_rectangle_are_inside():
    shape = Shape("rectangle", ((2, 3), (5, 7)))
    assert shape.contains(2, 3)
    assert shape.contains(5, 7)
    assert not shape.contains(5.001, 7)
    assert shape.mask(10, 10).sum() == 4 * 5
    assert isinstance(shape.contains(2, 3), bool)


@pytest.mark.parametrize("x", range(12))
@pytest.mark.parametrize("y", range(12))
def test_ellipse_is_its_equation_exactly(x, y):
    # Centre (5, 5), both half axes 5: the points (8, 9), (9, 8), ... lie on it exactly.
    assert Shape("ellipse", ((0, 0), (10, 10))).contains(x, y) == ((x - 5) ** 2 + (y - 5) ** 2 <= 25)


def test_ellipse_without_width_is_a_line_and_without_both_a_point():
    line = Shape("ellipse", ((4, 1), (4, 8)))
    np.testing.assert_array_equal(np.argwhere(line.mask(10, 10)), [[y, 4] for y in range(1, 9)])
    assert Shape("ellipse", ((3, 3), (3, 3))).mask(5, 5).sum() == 1
    assert not line.contains(4.5, 4)


@pytest.mark.parametrize("inner", [False, True])
def test_polygon_fills_by_even_odd(inner):
    # A star drawn in one stroke: its middle is crossed twice, so it is outside.
    angles = [4 * math.pi * k / 5 for k in range(5)]
    star = Shape("polygon", tuple((50 + 40 * math.sin(angle), 50 - 40 * math.cos(angle)) for angle in angles))
    assert star.contains(50, 50 if inner else 20) == (not inner)


@given(st.lists(st.tuples(whole, whole), min_size=3, max_size=8), st.floats(0, 1))
def test_every_point_of_an_outline_is_inside(points, share):
    shape = Shape("polygon", tuple(points))
    for (x1, y1), (x2, y2) in zip(points, points[1:] + points[:1], strict=True):
        assert shape.contains(x1, y1)
        assert shape.contains((x1 + x2) / 2, (y1 + y2) / 2)
        x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
        bx1, by1, bx2, by2 = shape.box
        assert shape.contains(min(max(x, bx1), bx2), min(max(y, by1), by2))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 29), st.floats(0, 29)), min_size=3, max_size=8))
def test_polygon_agrees_with_a_count_of_crossings(points):
    """Independent oracle, any outline: crossings of a ray whose direction meets no corner exactly."""
    shape = Shape("polygon", tuple(points))
    generator = np.random.default_rng(0)
    for px, py in generator.uniform(0, 29, (20, 2)):
        far = np.array([px + 1000.0, py + 611.803])
        crossings, unsure = 0, False
        for a, b in zip(points, points[1:] + points[:1], strict=True):
            matrix = np.array([far - (px, py), np.subtract(a, b)]).T
            if abs(np.linalg.det(matrix)) < 1e-9:
                continue
            t, s = np.linalg.solve(matrix, np.subtract(a, (px, py)))
            unsure |= min(abs(s), abs(1 - s), abs(t)) < 1e-9
            crossings += (0 < s < 1) and 0 < t < 1
        if not unsure:
            assert shape.contains(px, py) == bool(crossings % 2)
