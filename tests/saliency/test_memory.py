"""Memory stays flat over many calls: nothing holds on to maps, activations or graphs of earlier calls."""

import ctypes
import gc
import platform
import resource
from pathlib import Path

import pytest
import torch

from xiqa import saliency

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="measured by means of Linux with glibc")
CALLS = 100
MEGABYTES = 5  # of growth over all calls; the activations of one call take most of one


def resident() -> float:
    """Memory of this process now, in megabytes, without what is freed and only not yet handed back."""
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def tensors() -> int:
    # Of the type, since asking some objects of torch for their class warns.
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


@pytest.fixture
def grows(resnet18):
    """Function: megabytes and tensors that so many calls of `explain` leave behind, once it has warmed up.

    The collector is off, so that what only it could free (a graph in a circle with its hooks) counts as left behind.
    """
    model = resnet18.float()
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    def calls(count: int) -> tuple[float, int]:
        for _ in range(5):
            saliency.explain(model, images)
        gc.collect()
        before = resident(), tensors()
        gc.disable()
        try:
            for _ in range(count):
                saliency.explain(model, images)
            return resident() - before[0], tensors() - before[1]
        finally:
            gc.enable()

    calls.model = model
    return calls


def test_memory_is_flat_over_a_hundred_calls(grows):
    growth, left = grows(CALLS)
    assert left == 0
    assert growth < MEGABYTES


def test_whoever_kept_activations_would_be_seen(grows):
    kept = []
    convolutions = [module for module in grows.model.modules() if isinstance(module, torch.nn.Conv2d)]
    for module in convolutions:
        module.register_forward_hook(lambda module, args, output: kept.append(output.detach()))
    growth, left = grows(CALLS // 5)
    assert left >= CALLS // 5 * len(convolutions)
    assert growth > MEGABYTES


def test_whoever_kept_a_graph_would_be_seen(grows):
    kept = []
    grows.model.fc.register_forward_hook(lambda module, args, output: kept.append(output))
    _, left = grows(10)
    assert left >= 10


def test_a_graph_in_a_circle_would_be_seen(grows):
    def circle(module, args, output):
        output.register_hook(lambda gradient: gradient + 0 * output.detach())

    grows.model.fc.register_forward_hook(circle)
    _, left = grows(10)
    assert left >= 10
