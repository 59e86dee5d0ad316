"""Whole films: tone, honesty of the label, and what their annotation promises."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa.data.object_cxr import parse_annotation
from xiqa.synthetic.chest import compose, devices, draw, files, objects


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


def test_distractors_keep_clear_of_the_lungs_unless_they_are_support_devices():
    for subject in range(12):
        film, bare = draw(5, subject, 0, 96), draw(5, subject, 0, 96, objects=False)
        changed = np.abs(film.image.astype(int) - bare.image) > 25
        assert not (changed & film.lungs).any()


def test_objects_have_the_same_kinds_materials_and_sizes_in_both_classes():
    """The list is drawn without the label; what is left of it after placing does not differ either."""
    rows = []
    for subject in range(110):
        for label in (0, 1):
            film = draw(8, subject, label, 64)
            rows += [(label, thing["kind"], thing["material"], thing["width_mm"]) for thing in film.objects]
    frame = pd.DataFrame(rows, columns=["label", "kind", "material", "width"])
    for label in ("kind", "material"):
        pd.testing.assert_series_equal(
            frame[frame.label == 0][label].value_counts().sort_index(),
            frame[frame.label == 1][label].value_counts().sort_index(),
        )
    assert frame[frame.label == 0].width.sum() == pytest.approx(frame[frame.label == 1].width.sum())


def test_without_objects_nothing_tells_the_label():
    """The null world: histogram, borders and coarse picture of films whose objects are left off."""
    labels = np.random.default_rng(2).permutation(220) < 110
    rows = []
    for subject, label in enumerate(labels):
        image = draw(9, subject, int(label), 64, objects=False).image
        border = np.concatenate([image[:4].ravel(), image[-4:].ravel(), image[:, :4].ravel(), image[:, -4:].ravel()])
        coarse = image.reshape(8, 8, 8, 8).mean((1, 3)).ravel()
        rows.append([*np.histogram(image, 16, (0, 256))[0], border.mean(), border.std(), *coarse])
    models = (
        make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
        HistGradientBoostingClassifier(max_iter=30, max_depth=3, learning_rate=0.1, random_state=0),
    )
    for model in models:
        scores = cross_val_predict(model, np.array(rows), labels, cv=5, method="predict_proba")[:, 1]
        assert 0.36 < roc_auc_score(labels, scores) < 0.64  # 3.5 standard errors of 110 against 110


def test_the_counterfactual_differs_only_where_objects_lie():
    for subject in range(6):
        film, bare = draw(4, subject, 1, 96), draw(4, subject, 1, 96, objects=False)
        assert film.annotation == bare.annotation
        np.testing.assert_array_equal(film.lungs, bare.lungs)
        near = np.asarray(Image.fromarray(film.silhouettes | film.distractors).convert("L"))
        near = np.lib.stride_tricks.sliding_window_view(np.pad(near, 5), (11, 11)).max((2, 3)) > 0
        difference = np.abs(film.image.astype(int) - bare.image)
        assert difference[~near].max() <= 3
        assert difference[film.silhouettes].max() > 5


def test_visible_objects_are_annotated(films):
    found = [thing for label, film in films if label for thing in film.objects if thing["annotated"]]
    assert np.mean([thing["visible"] for thing in found]) > 0.95
    assert all(thing["dprime"] > 3 for thing in found)


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


def test_streams_are_apart():
    """No two purposes share a stream of random numbers."""
    streams = [compose.ANATOMY, compose.TEXTURE, compose.EXPOSURE, compose.NOISE, compose.PLACEMENT, compose.ANNOTATION]
    streams += [objects.OBJECTS_STREAM, devices.DEVICES_STREAM, files.FILES]
    assert len(set(streams)) == len(streams)
