"""A small embedded data set with its preparation and truths, and a network."""

import pytest
import torch

from xiqa import models
from xiqa.data.prepare_images import prepare
from xiqa.paper.appendix.localisation.truths import write_truths
from xiqa.paper.arguments import Network
from xiqa.synthetic.chest import files

SIZE = 64


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Root of twelve embedded films of 128 px, the test split with counterfactuals."""
    root = tmp_path_factory.mktemp("films")
    files.write(root, {"train": 4, "val": 4, "test": 8, "seed": 1, "size": 128}, workers=1)
    return root


@pytest.fixture(scope="session")
def prepared(films, tmp_path_factory):
    """The films at 64 px."""
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder, films, SIZE)
    return folder


@pytest.fixture(scope="session")
def truths(films, prepared, tmp_path_factory):
    """Truths of the test split."""
    folder = tmp_path_factory.mktemp("truths")
    write_truths(folder, prepared, films, "object_cxr", "test")
    return folder


@pytest.fixture(scope="session")
def network(weights):
    """The same as an argument of store functions."""
    return Network("resnet18", "trained", 0, weights)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Weights of an untrained ResNet-18."""
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.manual_seed(0)
    models.save(models.build("resnet18"), path)
    return path
