import json
import shutil
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from xiqa import models
from xiqa.data.prepare_volumes import prepare_volumes
from xiqa.paper.appendix.explained_mri.truth import mask_file

SHAPE = (36, 34, 32)  # of the network; the scans are 26 x 44 x 34, so an axis turns, one is zoomed and one is padded
SCAN = (26, 44, 34)
CUBE = (slice(14, 22), slice(4, 12), slice(22, 30))
AFFINE = np.diag([4.0, 4, 4, 1])
TEST = [f"sub-test{k}" for k in range(4)]  # zipper, spike, without a mask, clean


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """Noise, and in artifacts a bright cube, which the mask of the first two artifacts of the test split shows."""
    folder, lines = tmp_path_factory.mktemp("mri"), ["image\tsubject\tsplit\tlabel\tartifact_type\tcontrast"]
    people = [(f"sub-{split}{k}", split, k != 3) for split in ("train", "val", "test") for k in range(4)]
    for number, (name, split, artifact) in enumerate(people):
        scan = np.random.default_rng(number).normal(0, 0.1, SCAN).astype(np.float32)
        scan[CUBE] += 10 * artifact
        nib.save(nib.Nifti1Image(scan, AFFINE), folder / f"{name}.nii.gz")
        kind = "intensity" if artifact else "n/a"
        lines.append(f"{name}.nii.gz\t{name}\t{split}\t{('clean', 'artifact')[artifact]}\t{kind}\tT1w")
    (folder / "scans.tsv").write_text("\n".join(lines) + "\n")
    truth = mask_file(folder, "x.nii.gz").parent
    truth.mkdir(parents=True)
    for name, family in zip(TEST, ("zipper", "spike"), strict=False):
        write_mask(folder, name, cube())
        (truth / f"{name}.json").write_text(json.dumps({"artifact": family, "severity": 0.5}))
    return folder


@pytest.fixture(scope="session")
def prepared(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare_volumes(folder, root, SHAPE, "zscore")
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Of a network that looks for brightness and for nothing else."""
    model = models.build("vggnet3d", shape=SHAPE)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                module.weight.zero_()
                module.weight[(0, 0, *[1] * (module.weight.dim() - 2))] = 1
        for linear in (model.head[2], model.head[6]):
            linear.weight.zero_()
            linear.bias.zero_()
        model.head[2].weight[0, :] = 1
        model.head[6].weight[1, 0] = 1
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    models.save(model, path)
    return path


@pytest.fixture
def other_root(root, tmp_path):
    """The same data, in which masks may be changed."""
    return shutil.copytree(root, tmp_path, dirs_exist_ok=True)


def cube():
    mask = np.zeros(SCAN, np.uint8)
    mask[CUBE] = 1
    return mask


def write_mask(folder, name, mask, affine=AFFINE):
    nib.save(nib.Nifti1Image(mask, affine), mask_file(folder, f"{name}.nii.gz"))


@pytest.fixture(scope="session")
def world():
    """Names, shapes and writers of the simulated folder."""
    return SimpleNamespace(SHAPE=SHAPE, SCAN=SCAN, AFFINE=AFFINE, TEST=TEST, cube=cube, write_mask=write_mask)
