"""Settings of one run: its folders, device and threads, and the environment of its processes."""

import os
from dataclasses import dataclass
from pathlib import Path

# glibc returns large blocks to the system and allocates them again, page by page, at every layer of a network; with
# thresholds this high (bytes) it keeps them, which makes the training of 3D networks 1.3 to 1.8 times faster.
MMAP_THRESHOLD, TRIM_THRESHOLD = 4 << 30, 8 << 30
# Blocks in pages of 2 MB where Linux has them: training and saliency of every network take a tenth less time.
HUGE_PAGES = "glibc.malloc.hugetlb=1"


@dataclass(frozen=True)
class Settings:
    """Settings of one run."""

    profile: str  # smoke, quick or paper
    name: str  # of the run's folders: the profile, or ``<profile>-real`` on real data
    root: Path  # the checkout
    results: Path  # root of ``run_folder``
    figures: Path  # root of ``figures_folder``
    data: Path
    device: str  # cpu or cuda
    threads: int  # of a process
    jobs: int  # jobs and notebooks that run at the same time
    dask: str | None  # address of a Dask scheduler, or None to run here
    about_data: str  # what the data are, in words
    meaning: str  # sentence on what the numbers of the profile mean, or empty

    @property
    def run_folder(self) -> Path:
        """Store, manifests, executed notebooks, logs and the report of this run."""
        return self.results / self.name

    @property
    def figures_folder(self) -> Path:
        """Tables and figures of this run."""
        return self.figures / self.name

    def executed(self, stem: str) -> Path:
        """The executed notebook of that name, complete or not."""
        return self.run_folder / "notebooks" / f"{stem}.ipynb"

    def checks(self, name: str) -> Path:
        """Checks of the reproduction that the notebook of that name made, one JSON object a line."""
        return self.run_folder / "checks" / f"{name}.json"

    def environment(self) -> dict[str, str]:
        """Environment variables of every process of this run, on top of the caller's."""
        threads = ("XIQA_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        return dict.fromkeys(threads, str(self.threads)) | {
            "XIQA_ROOT": str(self.root),
            "XIQA_RESULTS": str(self.results),
            "XIQA_FIGURES": str(self.figures),
            "XIQA_DATA": str(self.data),
            "XIQA_RUN": self.name,
            "XIQA_DEVICE": self.device,
            "MALLOC_MMAP_THRESHOLD_": str(MMAP_THRESHOLD),
            "MALLOC_TRIM_THRESHOLD_": str(TRIM_THRESHOLD),
            "GLIBC_TUNABLES": ":".join(filter(None, [os.environ.get("GLIBC_TUNABLES"), HUGE_PAGES])),
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on a GPU
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": ":".join(filter(None, [str(self.root), os.environ.get("PYTHONPATH")])),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # no debugger here, so no warning about one
        }
