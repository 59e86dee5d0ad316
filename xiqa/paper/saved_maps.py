"""The saliency maps themselves, kept on disk: every image of a split, every method, every seed of the primary network.

Maps are large, so nothing keeps them unless asked: ``python run_all.py --save-maps``. One image takes 4 bytes a pixel
and method. With the papers' 13 methods that is 18.7 MB at 600 x 600, 2.6 MB at 224 x 224 and 1.3 MB at 160 x 160: 56 GB
for three seeds on 1,000 radiographs of 600 x 600. `save` says the sum before it writes, and refuses where the disk has
not the room. Files are not compressed, since maps of gradients hardly shrink, and half precision is no choice: maps of
untrained networks lie near 1e-13.
"""

import io
import itertools
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import torch

from xiqa import models, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.errors import BadInput
from xiqa.paper.study import Experiment
from xiqa.store.digests import digest, file_digest
from xiqa.store.files import exclusive, write_bytes, write_frame
from xiqa.store.places import results_root
from xiqa.training.loop import device

METHODS = tuple(saliency.ALL)
MARKER, INDEX = "made_from.json", "index.csv"


def save(study: Experiment, dataset: str, split: str, say: Callable[[str], None] = print) -> Path:
    """Write the maps of every image of a split, with an object or without, for every seed of the primary network.

    The class explained is the predicted one. Files are ``<network>-s<seed>/<split>/<image stem>.npz`` below the folder
    returned; names of images that are paths become sub-folders. Each holds one float32 array (size, size) a method, raw
    as from :func:`xiqa.saliency.explain` and of the size of the prepared images, besides ``target`` (the class
    explained) and ``probability`` (of the positive class). ``index.csv`` beside them has a row an image: image, unit,
    label, target, probability, file.

    A run that was broken off is resumed: complete files stay. ``made_from.json`` holds what they were made from
    (weights, images, code, versions of the libraries); where that is not what would be used now, the folder is emptied
    and written anew, so maps of two networks never lie side by side.

    Parameters
    ----------
    study : experiment whose data set has a primary network; missing trainings are computed.
    split : ``train``, ``val`` or ``test``.
    say : called with one sentence before anything is written: how many files, how large, and where.

    Returns
    -------
    The folder ``results/<run>/maps/<dataset>``.

    Raises
    ------
    BadInput : ``no_space`` where the disk cannot hold them.

    """
    network, data = study.primaries()[dataset], study.data(dataset)
    seeds = study.profile.seeds(dataset, network)
    folder = results_root() / study.run / "maps" / dataset
    jobs = {folder / f"{network}-s{seed}" / split: study.trained(dataset, network, seed) for seed in seeds}
    count, size = len(data.records(split)), expected_bytes(len(data.records(split)), data.size)
    where = f"{folder.relative_to(results_root().parent)}"
    say(
        f"Maps of {dataset}, {split}: {count} images x {len(METHODS)} methods x {len(seeds)} seeds of {network}, "
        f"{len(seeds) * size / 1e9:.2f} GB in {where}."
    )
    with exclusive(folder / ".lock"):
        for place, trained in jobs.items():
            _clear_unless(place, _made_from(study, dataset, split, network, trained / "weights.pt"))
        _check_space(folder, [place for place in jobs if not (place / INDEX).is_file()], size)
        for place, trained in jobs.items():
            model = models.build(network, weights=trained / "weights.pt").eval()
            _fill(place, model, data, split, study.profile.maps_batch)
    return folder


def load(folder: Path, image: str) -> dict[str, np.ndarray]:
    """What is kept of one image: a float32 map (size, size) a method, and the scalars ``target`` and ``probability``.

    Parameters
    ----------
    folder : ``<network>-s<seed>/<split>`` below what `save` returned.
    image : name of the image in the data set's records.

    Raises
    ------
    BadInput : ``no_maps`` where the folder is not complete or has no such image.

    """
    index = Path(folder) / INDEX
    if not index.is_file():
        raise BadInput("no_maps", f"{folder} holds no complete set of maps: run_all.py with --save-maps writes them")
    names = pd.read_csv(index, dtype=str, keep_default_na=False).set_index("image")["file"]
    if image not in names.index:
        raise BadInput("no_maps", f"{index} has no image {image!r}: give a name of its column image")
    with np.load(Path(folder) / names[image], allow_pickle=False) as file:
        return dict(file)


def expected_bytes(images: int, size: int) -> int:
    """Bytes of the maps of so many images of (size, size) pixels, one seed: float32, all methods, uncompressed."""
    return images * len(METHODS) * size * size * np.dtype(np.float32).itemsize


def files(images: Sequence[str]) -> list[str]:
    """Names of the files of images, with ``/``: image names with another suffix, or added to it where two would meet.

    Parts of a name that would lead out of the folder are left out.
    """
    inside = [PurePosixPath(*(part for part in _parts(image) if part not in ("/", ".."))) for image in images]
    # On some disks a name in capitals is the same name.
    met = Counter(str(name.with_suffix("")).lower() for name in inside)
    taken, found = set(), []
    for name in inside:
        stem = str(name if met[str(name.with_suffix("")).lower()] > 1 else name.with_suffix(""))
        numbered = (f"{stem}{f'-{number}' if number > 1 else ''}" for number in itertools.count(1))
        found.append(next(free for free in numbered if free.lower() not in taken))
        taken.add(found[-1].lower())
    return [f"{stem}.npz" for stem in found]


def _parts(image: str) -> tuple[str, ...]:
    return PurePosixPath(image.replace("\\", "/")).parts


def _made_from(study: Experiment, dataset: str, split: str, network: str, weights: Path) -> dict:
    """What maps depend on, as a store's key has it, and the weights by their content."""
    return study.store.key(
        saliency.explain,
        data=study.prepared(dataset).name,
        split=split,
        network=network,
        weights=file_digest(weights),
        methods=list(METHODS),
        batch=study.profile.maps_batch,
    )


def _clear_unless(place: Path, made_from: dict) -> None:
    """Empty a folder of maps that were made from something else, or that nobody knows the origin of."""
    marker = place / MARKER
    content = json.dumps({"digest": digest(made_from), **made_from}, indent=1, sort_keys=True).encode()
    if marker.is_file() and marker.read_bytes() == content:
        return
    if place.exists():
        shutil.rmtree(place)
    write_bytes(marker, content)


def _check_space(folder: Path, places: Sequence[Path], size: int) -> None:
    needed = len(places) * size - sum(path.stat().st_size for place in places for path in place.rglob("*.npz"))
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BadInput(
            "no_space",
            f"{folder}: the maps need {needed / 1e9:.1f} GB more and {free / 1e9:.1f} GB are free: make room, or give "
            "another disk with --results",
        )


def _fill(place: Path, model: torch.nn.Module, data: Prepared, split: str, batch: int) -> None:
    """Write what is missing of one network's maps of a split, then their index."""
    records = data.records(split)
    paths = [place / name for name in files(records["image"].tolist())]
    where = device()
    # The layout is the faster one on a CPU.
    layout = {"memory_format": torch.channels_last}
    model = model.to(where, **layout)
    # Batches are always the same, and the last digits of a map do not depend on where a run was broken off.
    for start in range(0, len(paths), batch):
        some = slice(start, start + batch)
        missing = [i for i, path in enumerate(paths[some]) if not zipfile.is_zipfile(path)]
        if missing:
            pixels = torch.from_numpy(np.array(data.images(split)[some])).to(where)
            images = models.normalise(pixels).contiguous(**layout)
            logits, (maps,) = saliency.explain_classes(model, images, [None], METHODS, silu="clamp")
            for i in missing:
                _write(paths[start + i], {name: one[i] for name, one in maps.items()}, logits[i].float())
    answers = [_answer(path) for path in paths]
    names = [path.relative_to(place).as_posix() for path in paths]
    write_frame(records[["image", "unit", "label"]].join(pd.DataFrame(answers)).assign(file=names), place / INDEX)


def _write(path: Path, maps: dict[str, torch.Tensor], logits: torch.Tensor) -> None:
    arrays = {name: one.cpu().numpy() for name, one in maps.items()}
    content = io.BytesIO()
    answer = {"target": logits.argmax().cpu().numpy(), "probability": logits.softmax(0)[1].cpu().numpy()}
    np.savez(content, **arrays, **answer)
    write_bytes(path, content.getvalue())


def _answer(path: Path) -> dict[str, float]:
    with np.load(path, allow_pickle=False) as file:
        return {"target": int(file["target"]), "probability": float(file["probability"])}
