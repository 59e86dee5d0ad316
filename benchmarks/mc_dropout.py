"""Time of T = 100 Monte Carlo dropout samples in network passes: ``python benchmarks/mc_dropout.py [--large]``.

Medians of rounds that time all cases in turn, so that other load affects them equally. One pass is the forward pass of
the whole batch. T full passes are timed with few samples and scaled up.
Bar: T = 100 samples in at most 1.3 passes, at 64 x 64 x 32 in batches of 8 and (``--large``) at 256 x 256 x 64.
"""

import argparse
import statistics
import time

import pandas as pd
import torch
from torch import nn

from xiqa import models, uncertainty
from xiqa.models.devices import device
from xiqa.store.hardware import thread_cap

FEW = 2  # full passes timed for the plain way


def full_passes(model, volumes):
    """T passes of the whole network with its dropouts on."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    for _ in range(FEW):
        model(volumes).softmax(1)
    model.eval()


def exact(model, volume, samples=5, seed=0):
    """Whether the samples of one volume are those of full passes with the same generator, to the last bit."""
    fast = uncertainty.mc_dropout(model, volume, samples, seed)
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    plain = torch.stack([model(volume).softmax(1) for _ in range(samples)])
    model.eval()
    return torch.equal(fast, plain), float((fast - plain).abs().max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="vggnet3d", choices=models.NETWORKS_3D)
    parser.add_argument("--large", action="store_true", help="one volume of 256 x 256 x 64 instead of 8 small ones")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    shape, batch = ((256, 256, 64), 1) if options.large else ((64, 64, 32), 8)
    torch.set_num_threads(thread_cap())
    torch.manual_seed(0)
    where = device()
    model = models.build(options.network, shape=shape).to(where).eval()
    volumes = torch.randn(batch, 1, *shape, device=where)
    cases = {
        "one pass": lambda: model(volumes),
        f"T = {options.samples} samples": lambda: uncertainty.mc_dropout(model, volumes, options.samples, 0),
        f"{FEW} full passes": lambda: full_passes(model, volumes),
    }
    taken = {name: [] for name in cases}
    with torch.no_grad():
        for _ in range(options.rounds + 1):  # the first round warms up
            for name, function in cases.items():
                started = time.perf_counter()
                function()
                if where.type == "cuda":
                    torch.cuda.synchronize()
                taken[name].append(time.perf_counter() - started)
        same, apart = exact(model, volumes[:1])
    rounds = list(zip(*(times[1:] for times in taken.values()), strict=True))
    ratio = statistics.median(samples / one for one, samples, _ in rounds)
    plain = statistics.median(few / one for one, _, few in rounds) * options.samples / FEW
    one = 1000 * statistics.median(one for one, _, _ in rounds)
    table = pd.DataFrame(
        [("one pass", 1.0, None), (f"T = {options.samples} samples", ratio, 1.3), ("T full passes", plain, None)],
        columns=["case", "passes", "bar"],
    )
    table["ms"] = one * table["passes"]
    size = " x ".join(map(str, shape))
    print(f"{options.network}, {size}, batch {batch}, {where}, {torch.get_num_threads()} threads")
    print(table.round(2).to_markdown(index=False))
    print(f"equal to full passes with the same generator: {'to the last bit' if same else f'within {apart:.1e}'}")


if __name__ == "__main__":
    main()
