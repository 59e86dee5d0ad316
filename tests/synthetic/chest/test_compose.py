"""Whole films: tone, label, annotation, counterfactuals."""

from collections import Counter

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, distance_transform_edt

from xiqa.data.object_cxr import parse_annotation
from xiqa.synthetic.chest import annotate, compose, draw, draw_pair, placement


def test_lungs_are_dark_and_films_vary(films):
    for _, film in films:
        body = film.image[30:80, 44:52]
        assert np.median(film.image[film.lungs]) < np.median(body) - 40
        assert 0.1 < film.lungs.mean() < 0.45
    assert np.std([film.image.mean() for _, film in films]) > 3


def test_tone_and_spectrum_are_a_radiographs():
    """Radial power falls about as f^-3, as it does on radiographs (a real one: -3.2 at 160 px)."""
    window = np.hanning(160)[:, None] * np.hanning(160)
    y, x = np.indices((160, 160)) - 80
    radius = np.hypot(x, y).astype(int)
    band = np.arange(4, 40)
    slopes = []
    for subject in range(6):
        image = draw(2, subject, subject % 2, 160).image.astype(float)
        power = np.abs(np.fft.fftshift(np.fft.fft2((image - image.mean()) * window))) ** 2
        radial = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
        slopes.append(np.polyfit(np.log(band), np.log(radial[band]), 1)[0])
    assert -3.9 < np.mean(slopes) < -2.7


def test_label_is_whether_anything_is_annotated(films):
    for label, film in films:
        assert bool(film.annotation) == bool(label)
        assert film.silhouettes.any() == bool(label)
        assert sum(thing["annotated"] for thing in film.objects) == len(parse_annotation(film.annotation))


def test_annotations_hold_their_silhouettes_which_lie_in_the_lungs(films):
    kinds, shares = Counter(), []
    for label, film in films:
        if not label:
            continue
        shapes = parse_annotation(film.annotation)
        kinds.update(shape.kind for shape in shapes)
        covered = np.zeros((96, 96), bool)
        for shape in shapes:
            x1, y1, x2, y2 = shape.box
            assert 0 <= x1 <= x2 <= 95
            assert 0 <= y1 <= y2 <= 95
            covered |= shape.mask(96, 96)
        assert covered[film.silhouettes].mean() > 0.97
        shares.append(film.lungs[film.silhouettes].mean())
    assert len(kinds) == 3
    assert np.mean(shares) > 0.9
    assert min(shares) > 0.6


def test_other_objects_keep_clear_of_the_lungs_unless_they_are_support_devices():
    for subject in range(12):
        film, bare = draw(5, subject, 0, 96), draw(5, subject, 0, 96, objects="none")
        changed = np.abs(film.image.astype(int) - bare.image) > 25
        assert not (changed & film.lungs).any()


def test_a_gap_parts_objects_over_the_lungs_from_those_outside():
    for subject in range(8):
        shown = compose.scene(5, subject, 160)
        film, pixel = shown.film(1), shown.chain.view.field / 160
        depth, away = (distance_transform_edt(region) * pixel for region in (film.lungs, ~film.lungs))
        for laid in shown.laid:
            mask = annotate.silhouette(laid.at(1), 160, 2)
            if laid.designated:
                assert depth[mask].min() > placement.INSIDE - 1.5 * pixel > 0
            else:
                assert away[mask].min() > placement.OUTSIDE - 1.5 * pixel > 0


def test_what_is_worn_is_the_same_for_either_label():
    """Only the place of designated objects depends on the label, so this holds film by film."""
    same = ("kind", "material", "designated", "width_mm", "height_mm")
    for subject in range(10):
        negative, positive = (draw(8, subject, label, 64) for label in (0, 1))
        for one, other in zip(negative.objects, positive.objects, strict=True):
            assert [one[key] for key in same] == [other[key] for key in same]
            assert (one == other) == (not one["designated"])
            assert other["annotated"] == other["designated"]


def test_without_the_designated_objects_films_of_either_label_are_equal():
    for subject in range(6):
        negative, positive = (draw(9, subject, label, 64, objects="undesignated") for label in (0, 1))
        np.testing.assert_array_equal(negative.image, positive.image)


@pytest.mark.parametrize("label", [0, 1])
def test_the_counterfactual_differs_only_where_designated_objects_lie(label):
    for subject in range(6):
        film, bare = draw_pair(4, subject, label, 96)
        np.testing.assert_array_equal(film.image, draw(4, subject, label, 96).image)
        np.testing.assert_array_equal(bare.image, draw(4, subject, label, 96, objects="undesignated").image)
        assert film.annotation == bare.annotation
        near = np.zeros((96, 96), bool)
        for laid in compose.scene(4, subject, 96).laid:
            if laid.designated:
                near |= annotate.silhouette(laid.at(label), 96, 2)
        difference = np.abs(film.image.astype(int) - bare.image)
        assert difference[~binary_dilation(near, iterations=5)].max() <= 3
        assert difference[near].max() > 5


def test_the_other_scanner_is_another_one():
    usual, other = ([draw(3, subject, 1, 64, scanner=s) for subject in range(15)] for s in ("usual", "other"))
    assert all(film.annotation for film in other)
    assert not {t["kind"] for f in usual for t in f.objects} & {t["kind"] for f in other for t in f.objects}
    tones = [np.mean([np.median(film.image[film.lungs]) for film in films]) for films in (usual, other)]
    assert tones[1] > tones[0] + 15
    for given in ({"scanner": "mine"}, {"objects": "some"}):
        with pytest.raises(ValueError, match="choose one of"):
            draw(0, 0, 0, 64, **given)


def test_a_body_is_enlarged_for_films_finer_than_anatomy():
    body = compose.scene(0, 0, 64).body
    assert compose.enlarged(body, 128) is body
    large = compose.enlarged(body, 301)
    assert large.attenuation.shape == large.lungs.shape == large.near.shape == (301, 301)
    assert large.lungs.mean() == pytest.approx(body.lungs.mean(), abs=0.01)
    assert large.attenuation.mean() == pytest.approx(body.attenuation.mean(), rel=0.01)


def test_visible_objects_are_annotated(films):
    things = [thing for label, film in films if label for thing in film.objects if thing["annotated"]]
    assert np.mean([thing["visible"] for thing in things]) > 0.98
    assert all(thing["dprime"] > 10 for thing in things)


def test_same_seed_same_bytes_and_other_subjects_differ():
    first, again, other = draw(6, 1, 1, 64), draw(6, 1, 1, 64), draw(6, 2, 1, 64)
    np.testing.assert_array_equal(first.image, again.image)
    assert first.annotation == again.annotation
    assert first.objects == again.objects
    assert not np.array_equal(first.image, other.image)


@pytest.mark.parametrize("size", [64, 97, 400])
def test_any_size(size):
    film = draw(0, 0, 1, size)
    assert film.image.shape == film.lungs.shape == (size, size)
    assert film.image.dtype == np.uint8
