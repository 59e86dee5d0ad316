import re
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from xiqa import models, pointing_game, recipes, saliency
from xiqa.data.arrays.images import Prepared
from xiqa.data.files.pictures import write_png
from xiqa.data.prepare_images import prepare
from xiqa.errors import BadInput
from xiqa.paper import saved_maps
from xiqa.paper.pointing_game import observe
from xiqa.store.store import Store

SIZE, IMAGES = 40, 5


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Five films a split, three with an annotated box; two have the same stem."""
    root, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    names = ["0.png", "1.png", "2.png", "3.png", "sub/3.png"]
    for split, table in (("train", "train.csv"), ("val", "dev.csv"), ("test", "test.csv")):
        for name in names:
            path = root / f"object-CXR_{split}" / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, rng.uniform(0, 1, (SIZE, SIZE)))
        lines = [f"{name},{'0 8 8 20 20' if i < 3 else ''}" for i, name in enumerate(names)]
        (root / f"object-CXR_{split}" / table).write_text("\n".join(["image_name,annotation", *lines]) + "\n")
    prepare(folder, root, SIZE)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Folders of three trainings."""
    folders = [tmp_path_factory.mktemp("trained") for _ in range(3)]
    for seed, folder in enumerate(folders):
        torch.manual_seed(seed)
        models.save(models.build("resnet18"), folder / "weights.pt")
    return folders


def experiment(prepared, weights):
    """What `save` asks of an experiment, with a network of two seeds."""
    made = SimpleNamespace(
        run="quick",
        store=Store("quick", quiet=True),
        profile=SimpleNamespace(seeds=lambda dataset, network: [0, 1], maps_batch=3),
        primaries=lambda: {"object_cxr": "resnet18"},
        prepared=lambda dataset: prepared,
        data=lambda dataset: Prepared(prepared),
        trainings=weights[:2],
    )
    made.trained = lambda dataset, network, seed: made.trainings[seed]
    return made


@pytest.fixture
def study(prepared, weights, tmp_path, monkeypatch):
    """An experiment with a results folder of its own."""
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path / "results"))
    return experiment(prepared, weights)


@pytest.fixture(scope="module")
def complete(prepared, weights, tmp_path_factory):
    """Results with the maps of the test split."""
    results = tmp_path_factory.mktemp("complete") / "results"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XIQA_RESULTS", str(results))
        saved_maps.save(experiment(prepared, weights), "object_cxr", "test", say=silent)
    return results


@pytest.fixture
def folder(study, complete, tmp_path):
    """Maps of the test split in the results of `study`."""
    shutil.copytree(complete, tmp_path / "results")
    return tmp_path / "results/quick/maps/object_cxr"


def silent(sentence):
    pass


def kept(folder):
    return {path.relative_to(folder).as_posix(): path.stat() for path in folder.rglob("*.npz")}


def test_every_image_of_the_split_for_every_seed(study):
    folder = saved_maps.save(study, "object_cxr", "val", say=silent)
    names = ["0.npz", "1.npz", "2.npz", "3.npz", "sub/3.npz"]
    assert sorted(kept(folder)) == sorted(f"resnet18-s{seed}/val/{name}" for seed in (0, 1) for name in names)
    index = pd.read_csv(folder / "resnet18-s0/val/index.csv")
    assert index.columns.tolist() == ["image", "unit", "label", "target", "probability", "file"]
    assert index["file"].tolist() == names
    assert index["label"].tolist() == [1, 1, 1, 0, 0]


def test_maps_are_those_of_the_network_for_the_class_it_predicts(study, folder, prepared):
    model = models.build("resnet18", weights=study.trained("object_cxr", "resnet18", 1) / "weights.pt").eval()
    images = models.normalise(torch.from_numpy(np.array(Prepared(prepared).images("test"))))
    with torch.no_grad():
        answers = model(images).softmax(1)
    expected = saliency.explain(model, images, target=answers.argmax(1))
    index = pd.read_csv(folder / "resnet18-s1/test/index.csv")
    assert index["target"].tolist() == answers.argmax(1).tolist()
    assert index["probability"].to_numpy() == pytest.approx(answers[:, 1].numpy(), abs=1e-5)
    for i, image in enumerate(index["image"]):
        found = saved_maps.load(folder / "resnet18-s1/test", image)
        assert (found.pop("target"), found.pop("probability")) == (
            index["target"][i],
            pytest.approx(index["probability"][i]),
        )
        assert set(found) == set(saliency.ALL)
        for method, one in found.items():
            assert one.dtype == np.float32
            assert one.shape == (SIZE, SIZE)
            scale = float(expected[method][i].max())
            assert one == pytest.approx(expected[method][i].numpy(), abs=2e-3 * scale), method


def test_their_peaks_are_those_of_the_tables(study, folder, prepared):
    # The table of observations is computed elsewhere, on the images with an object only.
    weights = study.trained("object_cxr", "resnet18", 0) / "weights.pt"
    frame = observe.observe(
        prepared, weights, "resnet18", "trained", 0, "test", None, 15, recipes.SMOOTHING, ["guided_backprop"], batch=2
    )
    plain = frame[~frame["smoothed"]]
    maps = [saved_maps.load(folder / "resnet18-s0/test", image)["guided_backprop"] for image in plain["image"]]
    played = pointing_game.play(torch.from_numpy(np.stack(maps)), Prepared(prepared).truth("test", range(3)), 15)
    assert played[["row", "column"]].to_numpy().tolist() == plain[["row", "column"]].to_numpy().tolist()


def test_the_size_is_told_before_anything_is_written(study):
    said = []

    def say(sentence):
        assert not list((study.store.folder.parent / "maps").rglob("*.npz"))
        said.append(sentence)

    folder = saved_maps.save(study, "object_cxr", "test", say=say)
    (sentence,) = said
    assert "5 images x 13 methods x 2 seeds of resnet18" in sentence
    assert "results/quick/maps/object_cxr" in sentence
    told = float(re.search(r"([\d.]+) GB", sentence)[1]) * 1e9
    real = sum(status.st_size for status in kept(folder).values())
    expected = 2 * saved_maps.expected_bytes(IMAGES, SIZE)
    assert told == pytest.approx(expected, abs=0.5e7)
    assert expected < real < 1.06 * expected


def test_expected_size_by_hand():
    assert saved_maps.expected_bytes(1000, 600) == 1000 * 13 * 600 * 600 * 4


def test_a_disk_without_room_is_refused_before_anything_is_written(study, monkeypatch):
    monkeypatch.setattr(saved_maps.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(BadInput, match="make room") as refused:
        saved_maps.save(study, "object_cxr", "test", say=silent)
    assert refused.value.reason == "no_space"
    assert not list(study.store.folder.parent.rglob("*.npz"))


def test_resumed_where_it_was_broken_off(study, monkeypatch):
    write, written = saved_maps._write, []

    def breaks(path, *given):
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(path)
        write(path, *given)

    monkeypatch.setattr(saved_maps, "_write", breaks)
    with pytest.raises(KeyboardInterrupt):
        saved_maps.save(study, "object_cxr", "test", say=silent)
    folder = study.store.folder.parent / "maps/object_cxr"
    before = kept(folder)
    assert len(before) == 4
    with pytest.raises(BadInput, match="no complete set"):
        saved_maps.load(folder / "resnet18-s0/test", "0.png")
    monkeypatch.setattr(saved_maps, "_write", write)
    saved_maps.save(study, "object_cxr", "test", say=silent)
    after = kept(folder)
    assert len(after) == 2 * IMAGES
    assert all(after[name].st_mtime_ns == status.st_mtime_ns for name, status in before.items())


@pytest.mark.usefixtures("folder")
def test_nothing_is_explained_twice(study, monkeypatch):
    monkeypatch.setattr(saved_maps.saliency, "explain_classes", lambda *args, **kwargs: pytest.fail("explained again"))
    saved_maps.save(study, "object_cxr", "test", say=silent)


def test_missing_and_cut_files_are_written_again_as_they_were(study, folder):
    folder = folder / "resnet18-s0/test"
    first, second = folder / "1.npz", folder / "sub/3.npz"
    before = first.read_bytes(), second.read_bytes()
    first.unlink()
    second.write_bytes(before[1][:1000])
    saved_maps.save(study, "object_cxr", "test", say=silent)
    assert (first.read_bytes(), second.read_bytes()) == before


def test_maps_of_other_weights_are_written_anew_and_never_mixed(study, folder, weights):
    before = kept(folder)
    old = saved_maps.load(folder / "resnet18-s0/test", "0.png")
    (folder / "resnet18-s0/test/left_over.npz").write_bytes(b"of an image that is no more")
    study.trainings = [weights[2], weights[1]]
    saved_maps.save(study, "object_cxr", "test", say=silent)
    after = kept(folder)
    assert set(after) == set(before)
    for name, status in after.items():
        assert (status.st_mtime_ns == before[name].st_mtime_ns) is ("-s1/" in name)
    new = saved_maps.load(folder / "resnet18-s0/test", "0.png")
    assert not np.allclose(old["guided_backprop"], new["guided_backprop"])


def test_files_without_a_marker_are_not_trusted(study, folder):
    folder = folder / "resnet18-s0/test"
    right = (folder / "0.npz").read_bytes()
    (folder / "0.npz").write_bytes((folder / "1.npz").read_bytes())
    (folder / saved_maps.MARKER).unlink()
    saved_maps.save(study, "object_cxr", "test", say=silent)
    assert (folder / "0.npz").read_bytes() == right


def test_splits_lie_side_by_side(study, folder):
    before = kept(folder)
    saved_maps.save(study, "object_cxr", "val", say=silent)
    assert before.items() <= kept(folder).items()


def test_unknown_image(study, folder):
    with pytest.raises(BadInput, match=r"has no image '9\.png'"):
        saved_maps.load(folder / "resnet18-s0/test", "9.png")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (["a/1.png", "b/1.png", "1.png"], ["a/1.npz", "b/1.npz", "1.npz"]),
        (["1.png", "1.jpg", "2.png"], ["1.png.npz", "1.jpg.npz", "2.npz"]),
        (["1.png", "1.jpg", "1.png.gif"], ["1.png.npz", "1.jpg.npz", "1.png-2.npz"]),
        (["A.png", "a.png"], ["A.png.npz", "a.png-2.npz"]),
        (["x.1.png", "x.2.png"], ["x.1.npz", "x.2.npz"]),
        (["../../1.png", "/etc/2.png", "a\\3.png"], ["1.npz", "etc/2.npz", "a/3.npz"]),
    ],
)
def test_names_of_files(images, expected):
    assert saved_maps.files(images) == expected
