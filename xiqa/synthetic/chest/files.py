"""Writing many films to disk in the layout of the Object-CXR repository, resumable and in parallel."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from xiqa.store.files import write_bytes, write_frame
from xiqa.synthetic.chest.compose import SCANNERS, VERSION, draw, draw_pair
from xiqa.synthetic.parallel import each

SPLITS = ("train", "val", "test")
TABLES = {"train": "train.csv", "val": "dev.csv", "test": "test.csv"}
FIRST = {"train": 1, "val": 8001, "test": 9001}  # numbers of the real data set
ROOM = {"train": 8000, "val": 1000, "test": 90_000}  # films that fit before the next split's; more get seven digits
FILES, SIZES, LABELS = 8, 10, 11  # streams
SIDES = (800, 3000)  # px, of films at a size of their own
BLOCK = 4  # films of which the positive share is exact, so that the first films do not depend on how many follow
JPEG_FROM = 400  # px; below, 8 x 8 blocks are a sizeable part of the film
PALETTE = [0, 0, 0, 255, 80, 60, 250, 220, 60, 255, 160, 60, 40, 70, 130, 200, 60, 120, 160, 160, 120, 255, 255, 255]


def plan(spec: dict) -> pd.DataFrame:
    """Plan of a data set: split, image, subject, label, size (px), paired; every film is of a subject of its own.

    Subjects of a split start at a number of their own, and neither labels nor sizes of its first films depend on how
    many follow. Sizes do not depend on the label.

    Parameters
    ----------
    spec : ``train``, ``val``, ``test`` (counts), ``seed``, ``size`` (px) or ``original_sizes`` (true: each film has a
        side of its own, 800 to 3,000 px), and if wanted ``positive_share`` (a half), ``scanner`` (``usual`` or
        ``other``), ``pairs`` (how many of a split's first films get a counterfactual; all of ``test``).
    """
    if spec.get("scanner", "usual") not in SCANNERS:
        raise ValueError(f"scanner is {spec['scanner']!r}: choose one of {', '.join(SCANNERS)}.")
    pairs = spec.get("pairs", {"test": spec["test"]})
    if not set(pairs) <= set(SPLITS):
        raise ValueError(f"pairs names {', '.join(set(pairs) - set(SPLITS))}: the splits are {', '.join(SPLITS)}.")
    original = bool(spec.get("original_sizes"))
    ending, rows = ".jpg" if original or spec["size"] >= JPEG_FROM else ".png", []
    for place, split in enumerate(SPLITS):
        labels = shuffled(spec[split], spec.get("positive_share", 0.5), [spec["seed"], place, LABELS])
        for i in range(spec[split]):
            subject = place * 10**6 + i
            number = FIRST[split] + i if i < ROOM[split] else 10**6 + subject
            size = side(spec["seed"], subject) if original else spec["size"]
            rows.append((split, f"{number:05d}{ending}", subject, int(labels[i]), size, i < pairs.get(split, 0)))
    return pd.DataFrame(rows, columns=["split", "image", "subject", "label", "size", "paired"])


def shuffled(count: int, share: float, key: list[int]) -> np.ndarray:
    """Labels, bool (count,), of which every whole block holds the given share of positives."""
    rng, ends = np.random.default_rng(key), np.arange(0, count + BLOCK, BLOCK)
    blocks = [np.arange(BLOCK) < positives for positives in np.diff(np.floor(ends * share + 0.5))]
    return np.concatenate([rng.permutation(block) for block in blocks] or [np.zeros(0, bool)])[:count]


def side(seed: int, subject: int) -> int:
    """Side of a film at a size of its own, px; small ones are more frequent."""
    low, high = np.log(SIDES)
    return round(float(np.exp(np.random.default_rng([seed, subject, SIZES]).uniform(low, high))))


def write(folder: Path, spec: dict, workers: int | None = None) -> None:
    """Write a data set of films below ``folder``; complete ones are kept.

    Layout: ``object-CXR_{train,val,test}/`` with ``train.csv|dev.csv|test.csv`` and ``images/``, and
    ``derivatives/<split>/<name>.json`` (objects, subject, seed), ``<name>_masks.png`` (see ``read_masks``) and, for
    paired films, ``<name>_without.png|jpg``: the film without its designated objects (see ``without``). Films below
    400 px are PNG, others JPEG of a quality that does not depend on the label. The sidecar of a film is written last,
    and marks the film as complete; the table of a split is written after all its films.

    Parameters
    ----------
    folder : made if missing.
    spec : see ``plan``.
    workers : processes, by default as many as there are cores and the thread cap allows; changes no byte.
    """
    folder = Path(folder)
    table = plan(spec)
    jobs = [(str(folder), row, spec["seed"], spec.get("scanner", "usual")) for row in table.to_dict("records")]
    todo = [job for job in jobs if not all(path.is_file() for path in paths(folder, job[1]))]
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc="radiographs", unit="film", disable=len(todo) < 2)
    with bar:
        for _ in each(write_one, todo, workers):
            bar.update()
    for split in SPLITS:
        records = [
            json.loads(paths(folder, row)[-1].read_text()) for row in table[table.split == split].to_dict("records")
        ]
        rows = [(record["image"], record["annotation"]) for record in records]
        write_frame(
            pd.DataFrame(rows, columns=["image_name", "annotation"]), folder / f"object-CXR_{split}" / TABLES[split]
        )


def paths(folder: Path, row: dict) -> list[Path]:
    """Film, counterfactual if it is paired, masks and, last, sidecar."""
    beside, stem = Path(folder) / "derivatives" / row["split"], Path(row["image"]).stem
    film = Path(folder) / f"object-CXR_{row['split']}" / "images" / row["image"]
    bare = [bare_path(folder, row["split"], row["image"])] if row["paired"] else []
    return [film, *bare, beside / f"{stem}_masks.png", beside / f"{stem}.json"]


def bare_path(folder: Path, split: str, image: str) -> Path:
    """Path of the counterfactual of a film, written or not."""
    image = Path(image)
    return Path(folder) / "derivatives" / split / f"{image.stem}_without{image.suffix}"


def without(folder: Path, split: str, image: str) -> Path | None:
    """The counterfactual of a film, the same film without its designated objects; None where it has none.

    Parameters
    ----------
    folder : of the data set.
    split : ``train``, ``val`` or ``test``.
    image : name of the film's file, as in the table of the split.
    """
    path = bare_path(folder, split, Path(image).name)
    return path if path.is_file() else None


def write_one(job: tuple[str, dict, int, str]) -> None:
    """Draw and write one film with its counterfactual, masks and sidecar."""
    folder, row, seed, scanner = job
    given = (seed, row["subject"], row["label"], row["size"])
    if row["paired"]:
        film, bare = draw_pair(*given, scanner=scanner)
    else:
        film, bare = draw(*given, scanner=scanner), None
    about = {key: row[key] for key in ("image", "subject", "label", "size")}
    about |= {"seed": seed, "scanner": scanner, "version": VERSION}
    about |= {"annotation": film.annotation, "objects": film.objects}
    contents = [encode(film.image, row, seed), *([] if bare is None else [encode(bare.image, row, seed)])]
    contents += [pack(film.silhouettes, film.distractors, film.lungs), json.dumps(about, indent=1).encode()]
    for path, content in zip(paths(Path(folder), row), contents, strict=True):
        write_bytes(path, content)


def encode(image: np.ndarray, row: dict, seed: int) -> bytes:
    """A film as PNG or JPEG."""
    target = io.BytesIO()
    if row["image"].endswith(".png"):
        Image.fromarray(image).save(target, "PNG")
    else:
        quality = int(np.random.default_rng([seed, row["subject"], FILES]).integers(82, 97))
        Image.fromarray(image).save(target, "JPEG", quality=quality)
    return target.getvalue()


def pack(silhouettes: np.ndarray, distractors: np.ndarray, lungs: np.ndarray) -> bytes:
    """Three masks in one palette image: 1 annotated silhouette, 2 other metal and plastic, 4 lung field, added up."""
    picture = Image.fromarray((silhouettes + 2 * distractors + 4 * lungs).astype(np.uint8), "P")
    picture.putpalette(PALETTE)
    target = io.BytesIO()
    picture.save(target, "PNG", bits=4, optimize=True)
    return target.getvalue()


def read_masks(path: Path) -> dict[str, np.ndarray]:
    """The masks ``silhouettes``, ``distractors`` and ``lungs`` of a film, bool (size, size), from its mask image."""
    with Image.open(path) as picture:
        packed = np.asarray(picture)
    return {name: (packed & bit) > 0 for name, bit in (("silhouettes", 1), ("distractors", 2), ("lungs", 4))}
