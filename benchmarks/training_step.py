"""Time of one training step per network, precision and memory layout: ``python benchmarks/training_step.py [SIZE]``.

Prints milliseconds an image (forward, backward and optimiser together), the median of a few steps, all cases in one
run. ``recipes.precision`` follows what this prints on a CPU with AMX.
"""

import statistics
import sys
import time
from itertools import product

import torch
from torch.nn import functional

from xiqa import models, recipes, training
from xiqa.runner.fingerprints import thread_cap

BATCH, STEPS = 16, 7


def main(size: int) -> None:
    torch.set_num_threads(thread_cap())
    where = training.device()
    print(f"{size} x {size} px, batch {BATCH}, {where}, {thread_cap()} threads, ms an image")
    print(f"{'network':18}{'32 plain':>10}{'32 last':>10}{'bf16 plain':>12}{'bf16 last':>11}   recipe")
    for name in models.NETWORKS_2D:
        times = [milliseconds(name, size, *case, where) for case in product(("32", "bf16"), (False, True))]
        print(f"{name:18}{times[0]:10.1f}{times[1]:10.1f}{times[2]:12.1f}{times[3]:11.1f}   {recipes.precision(name)}")


def milliseconds(name: str, size: int, precision: str, last: bool, where: torch.device) -> float:
    layout = torch.channels_last if last else torch.contiguous_format
    model = models.build(name).train().to(where, memory_format=layout)
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    images = torch.randn(BATCH, 3, size, size, device=where).to(memory_format=layout)
    labels = torch.zeros(BATCH, dtype=torch.long, device=where)
    taken = []
    for _ in range(STEPS):
        started = time.perf_counter()
        with torch.autocast(where.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = functional.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
        taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken[2:]) / BATCH


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 160)
