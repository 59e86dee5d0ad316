"""The embedded radiographs: geometry against brute force, honesty of the label, and what is written to disk."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import chi2_contingency
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa.data.object_cxr import parse_annotation
from xiqa.synthetic.chest import anatomy, compose, draw, files, geometry, objects, placement, read_masks, things, write

SPEC = {"size": 64, "train": 10, "val": 4, "test": 4, "seed": 3}


@pytest.fixture(scope="module")
def films():
    """Pairs of (label, film) at 96 px."""
    return [(i % 2, draw(5, i, i % 2, 96)) for i in range(60)]


# --- geometry ---------------------------------------------------------------------------------------------------------


def test_half_chord_is_brute_force_integration():
    rng = np.random.default_rng(0)
    for _ in range(20):
        centre, axes, angle = rng.normal(0, 5, 2), rng.uniform(3, 20, 3), rng.uniform(-3, 3)
        x, y = rng.uniform(-20, 20, (2, 200))
        z = np.linspace(-25, 25, 20001)
        u = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
        v = (y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)
        plane = (u / axes[0]) ** 2 + (v / axes[1]) ** 2
        inside = plane[:, None] + (z / axes[2]) ** 2 <= 1
        ours = 2 * geometry.half_chord(x, y, tuple(centre), tuple(axes), angle)
        np.testing.assert_allclose(ours, inside.sum(1) * (z[1] - z[0]), atol=0.02)


def test_added_body_equals_the_whole_canvas():
    view = geometry.View(80, 400.0, (3.0, 120.0), 0.05)
    total = np.zeros_like(view.x)
    geometry.add_body(total, view, (40, 150), (30, 60, 20), 0.7)
    np.testing.assert_array_equal(total, geometry.half_chord(view.x, view.y, (40, 150), (30, 60, 20), 0.7))


def test_overlap_of_intervals():
    grid = np.linspace(-10, 10, 200001)
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b, c, d = np.sort(rng.uniform(-9, 9, 2)).tolist() + np.sort(rng.uniform(-9, 9, 2)).tolist()
        brute = ((grid >= a) & (grid <= b) & (grid >= c) & (grid <= d)).mean() * 20
        assert geometry.overlap(np.array(a), np.array(b), np.array(c), np.array(d)) == pytest.approx(brute, abs=1e-3)


def test_pixels_and_body_coordinates_are_inverse():
    view = geometry.View(50, 410.0, (-4.0, 130.0), 0.1)
    column, row = view.to_pixel(view.x.astype(float), view.y.astype(float))
    np.testing.assert_allclose(column, np.broadcast_to(np.arange(50), (50, 50)), atol=1e-3)
    np.testing.assert_allclose(row, np.broadcast_to(np.arange(50)[:, None], (50, 50)), atol=1e-3)


@pytest.mark.parametrize("core", [1.0, 0.3])
def test_tube_keeps_volume_and_profile(core):
    view = geometry.View(200, 200.0, (0.0, 0.0), dense=2.0)
    path = geometry.even(np.array([[-60.0, 0, 0], [60, 0, 0]]), 0.4)
    image = geometry.splat(view, [geometry.tube(view, [path], 8.0, 5.0, core)])
    section = np.pi * 8 * 5 * (1 - (1 - core) * 0.75**2)
    assert image.sum() == pytest.approx(section * 120, rel=0.01)
    # The chord of an ellipse, less that of its core, along a line across the middle of the tube.
    y = view.y[:, 100].astype(float)
    full, inner = (np.sqrt(np.maximum(1 - (y / (8 * part)) ** 2, 0)) * part for part in (1, 0.75))
    expected = 10 * (full - (1 - core) * inner)
    away = (np.abs(np.abs(y) - 8) > 1.2) & (np.abs(np.abs(y) - 6) > 1.2)
    np.testing.assert_allclose(image[:, 90:110].mean(1)[away], expected[away], atol=0.35)


def test_disc_is_drawn_to_area_and_place():
    for pixel in (0.5, 1.3):
        patch, left, top = placement.rasterise([objects.disc(3.0, -2.0, 9.0, 0.7, 200)], pixel, 4)
        assert patch.sum() * pixel**2 == pytest.approx(0.7 * np.pi * 81, rel=0.06)
        rows, columns = np.indices(patch.shape)
        assert ((columns + 0.5 + left) * pixel * patch).sum() / patch.sum() == pytest.approx(3.0, abs=0.3)
        assert ((rows + 0.5 + top) * pixel * patch).sum() / patch.sum() == pytest.approx(-2.0, abs=0.3)


def test_thin_wire_keeps_its_attenuation():
    thin = objects.wire([(0, 0), (40, 0)], 1.0, 0.4)
    patch, _, _ = placement.rasterise([thin], 1.25, 4)
    assert patch.sum() * 1.25**2 == pytest.approx(40 * 0.4, rel=0.1)


# --- anatomy ----------------------------------------------------------------------------------------------------------


def test_heart_lies_to_the_right_of_the_image_and_the_right_lung_is_larger(films):
    sides, areas = [], []
    for number in range(12):
        streams = [np.random.default_rng([1, number, stream]) for stream in range(2)]
        person = anatomy.subject(streams[0])
        view = person.view(80)
        organs = anatomy.mediastinum(view, person, streams[0])
        level = (view.y > person.dome - 90) & (view.y < person.dome - 10)
        sides.append((view.x * (organs > 0))[level].sum() / (organs > 0)[level].sum())
    for _, film in films:
        areas.append(film.lungs[:, :48].sum() - film.lungs[:, 48:].sum())
    assert np.mean(sides) > 8
    assert min(sides) > 0
    assert np.mean(areas) > 0


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


# --- the label --------------------------------------------------------------------------------------------------------


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


def test_lists_of_different_subjects_are_of_one_distribution():
    lists = [things(0, subject) for subject in range(600)]
    labels = np.random.default_rng(1).permutation(600) < 300
    table = pd.crosstab(
        [bool(labels[i]) for i in range(600) for _ in lists[i]], [thing.kind for found in lists for thing in found]
    )
    assert set(table.columns) == set(objects.KINDS)
    assert chi2_contingency(table).pvalue > 0.001
    assert 4 < np.mean([len(found) for found in lists]) < 6
    assert min(len(found) for found in lists) >= 3


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


def test_every_kind_can_be_made_and_has_its_size():
    rng = np.random.default_rng(0)
    for kind in objects.KINDS:
        for material in ("metal", "plastic"):
            wide, high = objects.make(kind, material, rng).size()
            assert 3 < max(wide, high) < 130


# --- on disk ----------------------------------------------------------------------------------------------------------


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    write(folder, SPEC, workers=1)
    return folder


def test_written_layout(written):
    table = files.plan(SPEC)
    assert table.subject.is_unique
    for split, name, first in (("train", "train", "00001"), ("val", "dev", "08001"), ("test", "test", "09001")):
        records = pd.read_csv(written / f"object-CXR_{split}" / f"{name}.csv", keep_default_na=False)
        assert list(records) == ["image_name", "annotation"]
        assert len(records) == SPEC[split]
        assert records.image_name[0] == f"{first}.png"
        assert ((records.annotation != "") == (table[table.split == split].label == 1).to_numpy()).all()
        for image, annotation in records.itertuples(index=False):
            assert Image.open(written / f"object-CXR_{split}" / "images" / image).size == (64, 64)
            beside = written / "derivatives" / split
            about = json.loads((beside / image.replace(".png", ".json")).read_text())
            assert about["annotation"] == annotation
            masks = read_masks(beside / image.replace(".png", "_masks.png"))
            film = draw(SPEC["seed"], about["subject"], about["label"], 64)
            for mask in masks:
                np.testing.assert_array_equal(masks[mask], getattr(film, mask))


def test_writing_does_not_depend_on_the_number_of_workers(written, tmp_path):
    write(tmp_path, SPEC, workers=2)
    assert contents(tmp_path) == contents(written)


def test_interrupted_writing_resumes(written, tmp_path, monkeypatch):
    seen = []

    def failing(*given, **named):
        if len(seen) == 7:
            raise KeyboardInterrupt
        seen.append(given)
        return draw(*given, **named)

    monkeypatch.setattr(files, "draw", failing)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, SPEC, workers=1)
    assert not list(tmp_path.rglob("*.csv"))
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert len(kept) == 14
    monkeypatch.setattr(files, "draw", draw)
    write(tmp_path, SPEC, workers=1)
    assert contents(tmp_path) == contents(written)
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())


def test_labels_are_shuffled_and_splits_share_no_subject():
    table = files.plan({"size": 160, "train": 9000, "val": 900, "test": 700, "seed": 0, "positive_share": 0.3})
    assert table.image.is_unique
    assert table.subject.is_unique
    assert table.groupby("split").label.sum().to_dict() == {"train": 2700, "val": 270, "test": 210}
    train = table[table.split == "train"]
    assert abs(np.corrcoef(np.arange(9000), train.label)[0, 1]) < 0.05
    smaller = files.plan({"size": 160, "train": 90, "val": 900, "test": 700, "seed": 0, "positive_share": 0.3})
    for split in ("val", "test"):
        pd.testing.assert_series_equal(
            table[table.split == split].subject, smaller[smaller.split == split].subject, check_index=False
        )


def test_large_films_are_jpeg_of_a_quality_blind_to_the_label():
    image = draw(0, 0, 1, 64).image
    row = {"image": "1.jpg", "subject": 7, "label": 0}
    assert files.encode(image, row, 0) == files.encode(image, {**row, "label": 1}, 0)
    assert files.plan({**SPEC, "size": 600}).image.str.endswith(".jpg").all()


def test_streams_are_apart():
    """No two purposes share a stream of random numbers."""
    from xiqa.synthetic.chest import devices

    streams = [compose.ANATOMY, compose.TEXTURE, compose.EXPOSURE, compose.NOISE, compose.PLACEMENT, compose.ANNOTATION]
    streams += [objects.OBJECTS_STREAM, devices.DEVICES_STREAM, files.FILES]
    assert len(set(streams)) == len(streams)
