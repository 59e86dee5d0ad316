"""Time of one training step per network, precision and memory layout: ``python benchmarks/training_step.py [SIZE]``.

Prints milliseconds an image or volume (forward, backward and optimiser together), the median of a few steps, all cases
in one run. ``recipes.precision`` and the layouts in ``xiqa.training`` follow this table on a CPU with AMX. Volumes are
faster if memory is kept between steps, so the runner starts its processes with
``MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 GLIBC_TUNABLES=glibc.malloc.hugetlb=1``.
"""

import statistics
import sys
import time
from itertools import product

import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from xiqa import models, recipes
from xiqa.models.devices import device
from xiqa.store.hardware import thread_cap

BATCH, STEPS = 16, 7
VGG = ("vggnet3d", "vggnet3d_strided")
VOLUME, VOLUME_BATCHES = (64, 64, 32), (5, 8, 16)
CASES = tuple(product(("32", "bf16"), (False, True)))  # precision, channels last


def main(size: int) -> None:
    torch.set_num_threads(thread_cap())
    where, rows = device(), []
    inputs = [(name, {}, (BATCH, 3, size, size)) for name in models.NETWORKS_2D]
    inputs += [(name, {"shape": VOLUME}, (batch, 1, *VOLUME)) for name in VGG for batch in VOLUME_BATCHES]
    for name, options, shape in inputs:
        row = {"network": name, "batch": shape[0], "input": " x ".join(map(str, shape[2:]))}
        for precision, last in CASES:
            taken = milliseconds(models.build(name, **options), shape, precision, last, where)
            row[f"{precision}, {'channels last' if last else 'contiguous'}"] = round(taken, 1)
        rows.append(row | {"recipe": recipes.precision(name)})
    print(f"Training step on {where}, {thread_cap()} threads, ms an image or volume")
    print(pd.DataFrame(rows).to_markdown(index=False))


def milliseconds(model: nn.Module, shape: tuple[int, ...], precision: str, last: bool, where: torch.device) -> float:
    memory = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    layout = memory if last else torch.contiguous_format
    model = model.train().to(where, memory_format=layout)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    inputs = torch.randn(shape, device=where).to(memory_format=layout)
    labels = torch.zeros(shape[0], dtype=torch.long, device=where)
    taken = []
    for _ in range(STEPS):
        started = time.perf_counter()
        with torch.autocast(where.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = functional.cross_entropy(model(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
        taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken[2:]) / shape[0]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 160)
