"""Time of one brain scan of 256 x 256 x 64, file to uncertainty (T = 100): ``python benchmarks/file_to_answer.py``.

A simulated scan is written as compressed NIfTI. Timed in turn: reading (decoding and preprocessing), one pass of the
network, and all steps from the file to probability, entropies and mutual information. Medians of rounds.
Bar: at most 1.3 x (reading + one pass), and less than 2 GB of memory at its peak, the libraries included.
"""

import argparse
import resource
import statistics
import tempfile
import time
from pathlib import Path

import nibabel
import pandas as pd
import torch

from xiqa import models, uncertainty
from xiqa.data.files.volumes import load_volume
from xiqa.data.geometry import preprocess
from xiqa.store.hardware import thread_cap

SHAPE = (256, 256, 64)


def read(path):
    """The network's input of a file."""
    return torch.from_numpy(preprocess(load_volume(path), SHAPE))[None]


def written(folder):
    """A file of that size: a smooth ball in noise, in 16 bit as scanners write it."""
    generator = torch.Generator().manual_seed(0)
    x, y, z = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in SHAPE), indexing="ij")
    ball = 800 * (x**2 + y**2 + z**2 < 0.6) * (1 + 0.2 * torch.sin(9 * x))
    values = (ball + 20 * torch.randn(SHAPE, generator=generator)).abs().short().numpy()
    path = Path(folder) / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, torch.diag(torch.tensor([1.0, 1, 3, 1])).numpy()), path)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(thread_cap())
    torch.manual_seed(0)
    model = models.build("vggnet3d", shape=SHAPE).eval()
    taken = []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = written(folder)
        inputs = read(path)
        cases = (
            lambda: read(path),
            lambda: model(inputs),
            lambda: uncertainty.decompose(uncertainty.mc_dropout(model, read(path), options.samples, 0).numpy()),
        )
        for _ in range(options.rounds + 1):  # the first round warms up
            times = []
            for case in cases:
                started = time.perf_counter()
                case()
                times.append(time.perf_counter() - started)
            taken.append(times)
    taken = taken[1:]
    reading, one, whole = (1000 * statistics.median(times) for times in zip(*taken, strict=True))
    ratio = statistics.median(w / (r + o) for r, o, w in taken)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    rows = [
        ("reading (ms)", reading, None),
        ("one pass (ms)", one, None),
        (f"file to probability with T = {options.samples} (ms)", whole, None),
        ("ratio to reading and one pass", ratio, 1.3),
        ("peak memory (GB)", peak, 2.0),
    ]
    print(f"vggnet3d, {' x '.join(map(str, SHAPE))}, {torch.get_num_threads()} threads")
    print(pd.DataFrame(rows, columns=["measure", "value", "bar"]).round(2).to_markdown(index=False))


if __name__ == "__main__":
    main()
