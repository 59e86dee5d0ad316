"""Time of all saliency maps of a batch in forward passes, beside a loop over images and methods.

The loop: captum for the gradient methods; for NormGrad a forward and backward pass and explicit outer products for each
layer. Medians of rounds that time all cases in turn, so that other load affects them equally. Bars: all rows in at most
4.5 float32 forward passes, Grad-CAM in 1.1; 1,000 maps of 600 x 600 scored in 2 s; a process that explains four images
of 600 x 600 at once takes less than 3 GB.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
import warnings

import captum.attr
import pandas as pd
import torch
import torchvision
from torch.nn import functional

from xiqa.pointing_game import play, smooth
from xiqa.saliency import ALL, explain

MEMORY_BAR = 3.0  # GB
LAYERS = {"single": ["layer4.2"], "combined": ["layer2.0", "layer3.0", "layer4.0", "layer4.2"]}


def outer_product_normgrad(model, image, layer, patch):
    """NormGrad of one layer as its definition has it."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda module, args, output: kept.append(output))
    logit = model(image.clone().requires_grad_()).max()
    handle.remove()
    (gradient,) = torch.autograd.grad(logit, kept)
    a = functional.unfold(kept[0].detach(), patch, padding=patch // 2)[0].T
    g = gradient[0].flatten(1).T
    # a slice at a time: the outer products of a whole layer do not fit into memory
    norms = [(u[:, :, None] * v[:, None, :]).flatten(1).norm(dim=1) for u, v in zip(g.split(64), a.split(64))]  # noqa: B905
    grid = torch.cat(norms).reshape(1, 1, *gradient.shape[2:])
    return functional.interpolate(grid, image.shape[2:], mode="bilinear")


def by_captum(model, image):
    """The gradient methods of one image."""
    target, layer = model(image).argmax(1), model.layer4[2]
    captum.attr.LayerGradCam(model, layer).attribute(image, target, relu_attributions=True)
    captum.attr.GuidedGradCam(model, layer).attribute(image, target, interpolate_mode="bilinear")
    captum.attr.InputXGradient(model).attribute(image, target)
    captum.attr.GuidedBackprop(model).attribute(image, target)


def by_outer_products(model, image):
    """The rows of NormGrad with convolutions of one image."""
    for patch in (1, 3):
        for name in LAYERS["single"] + LAYERS["combined"]:
            outer_product_normgrad(model, image, name, patch)


def peak():
    """Peak memory of this process in GB; Linux counts it in kilobytes, macOS in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def network():
    torch.manual_seed(0)
    return torchvision.models.resnet34(num_classes=2).eval()


def peaks_of_this_process(options):
    """Peak memory after the imports, with the network, and after all methods; of a fresh process only."""
    peaks = {"imports": peak()}
    model = network()
    peaks["network"] = peak()
    explain(model, torch.randn(options.batch, 3, options.size, options.size), ALL, layers=LAYERS, mode=options.memory)
    return peaks | {"all methods": peak()}


def memory(options, mode):
    """Peak memory of `explain` in a process of its own, GB by stage.

    Call this first: a process starts with the peak of its parent.
    """
    sizes = ["--size", str(options.size), "--batch", str(options.batch)]
    command = [sys.executable, __file__, "--memory", mode, *sizes]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=600, help="width and height of the pictures")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--maps", type=int, default=1000, help="maps of the pointing game")
    parser.add_argument("--memory", metavar="MODE", help="only print the memory that this process needs, as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.memory:
        print(json.dumps(peaks_of_this_process(options)))
        return
    peaks = pd.DataFrame({mode: memory(options, mode) for mode in ("corrected", "published")})
    model = network()
    images = torch.randn(options.batch, 3, options.size, options.size)

    def forward():
        with torch.no_grad():
            model(images)

    def half(function):
        with torch.autocast("cpu", torch.bfloat16):
            function()

    rows = {
        "forward pass, float32": forward,
        "all methods, float32": lambda: explain(model, images, ALL, layers=LAYERS),
        "Grad-CAM, float32": lambda: explain(model, images, ["gradcam"], layers=LAYERS),
        "all methods as published, float32": lambda: explain(model, images, ALL, layers=LAYERS, mode="published"),
        "forward pass, bfloat16": lambda: half(forward),
        "all methods, bfloat16": lambda: half(lambda: explain(model, images, ALL, layers=LAYERS)),
    }
    times = {name: [] for name in rows}
    for _ in range(options.repeats + 1):  # the first round warms up
        for name, function in rows.items():
            times[name].append(seconds(function))
    medians = {name: statistics.median(values[1:]) / options.batch for name, values in times.items()}
    medians["captum image by image, without NormGrad"] = seconds(lambda: by_captum(model, images[:1]))
    medians["NormGrad image by image, outer products"] = seconds(lambda: by_outer_products(model, images[:1]))
    table = pd.DataFrame({"seconds an image": medians})
    table["forward passes"] = table["seconds an image"] / medians["forward pass, float32"]
    print(f"ResNet-34, {options.size} x {options.size}, batch {options.batch}, {torch.get_num_threads()} threads")
    print(table.round(2).to_markdown())

    print(f"\nPeak memory in GB (bar {MEMORY_BAR:g} after all methods)")
    print(peaks.round(2).to_markdown())

    maps, masks = torch.rand(50, options.size, options.size), torch.zeros(50, options.size, options.size).bool()
    masks[:, 100:130, 40:60] = True
    rounds = max(options.maps // 50, 1)
    score = sum(seconds(lambda: play(maps, masks, 15)) for _ in range(rounds))
    smoothing = sum(seconds(lambda: smooth(maps)) for _ in range(rounds))
    table = pd.DataFrame({"maps": 50 * rounds, "scoring (s)": [score], "smoothing (s)": [smoothing]}).round(1)
    print("\nPointing game")
    print(table.to_markdown(index=False))


if __name__ == "__main__":
    main()
