"""The networks of both studies, their saliency layers, and the trunk and head of the three-dimensional ones.

A network is built by name. Two-dimensional ones are torchvision's with a new head; the three-dimensional ones follow
Pizarro et al. (2023) layer by layer and compute ``head(trunk(x))``, so that Monte Carlo dropout, which acts in the head
alone, needs the trunk once. Every network carries the layers that the saliency methods read as ``saliency_layers``.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from xiqa.models.weights import load, newest_pretext

RESNETS = ("resnet18", "resnet34", "resnet50")
NETWORKS_2D = (*RESNETS, "efficientnet_b0")
NETWORKS_3D = ("alexnet3d", "vggnet3d", "vggnet3d_strided")
SMALLEST = {"alexnet3d": (57, 57, 48), "vggnet3d": (32, 32, 32), "vggnet3d_strided": (32, 32, 32)}
# Mean and standard deviation of ImageNet: what every 2D network here expects at its input (channels R, G, B).
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build(
    name: str, num_classes: int = 2, weights: str | Path | None = None, shape: Sequence[int] | None = None
) -> nn.Module:
    """Build a network.

    Parameters
    ----------
    name : ``resnet18``, ``resnet34``, ``resnet50``, ``efficientnet_b0`` for images (B, 3, H, W); ``alexnet3d``,
        ``vggnet3d``, ``vggnet3d_strided`` for volumes (B, 1, X, Y, Z).
    num_classes : outputs (logits).
    weights : None for the library's random start (drawn from torch's global generator); ``"pretext"`` for the newest
        backbone that a run here trained on embedded shapes; ``"imagenet"`` for torchvision's, which downloads; or the
        path of a file that :func:`save` wrote. A head that was trained for another number of classes stays random.
    shape : (X, Y, Z) of the input volumes; three-dimensional networks only.

    ValueError: unknown name, missing or too small shape, weights that do not fit. FileNotFoundError: no such weights.
    """
    if name in NETWORKS_2D:
        pretrained = "IMAGENET1K_V1" if weights == "imagenet" else None
        model = torchvision.models.get_model(name, weights=pretrained)
        _new_head(model, num_classes)
    elif name in NETWORKS_3D:
        if weights == "imagenet":
            raise ValueError(f"{name} has no ImageNet weights: choose None, 'pretext' or a file")
        made = {"alexnet3d": AlexNet3d, "vggnet3d": VggNet3d, "vggnet3d_strided": StridedVggNet3d}[name]
        model = made(_checked(name, shape), num_classes)
    else:
        raise ValueError(f"unknown network {name!r}: choose one of {', '.join(NETWORKS_2D + NETWORKS_3D)}")
    model.name, model.saliency_layers = name, saliency_layers(name)
    if weights not in (None, "imagenet"):
        load(model, newest_pretext(name) if weights == "pretext" else weights)
    return model


def saliency_layers(name: str) -> dict[str, list[str]]:
    """Module names of the layers that saliency maps are read from.

    ``single`` is the last block; ``combined`` are the layers whose maps are multiplied. For ResNets and EfficientNet-B0
    they are those of the authors' run scripts; for the three-dimensional networks the choice is ours: the output of
    every block from the second on.
    """
    last = {"resnet18": "layer4.1", "resnet34": "layer4.2", "resnet50": "layer4.2"}
    if name in last:
        return {"single": [last[name]], "combined": ["layer2.0", "layer3.0", "layer4.0", last[name]]}
    if name == "efficientnet_b0":
        return {"single": ["features.8"], "combined": [*(f"features.{i}.0" for i in range(9)), "features.8.2"]}
    blocks = {"vggnet3d": 5, "vggnet3d_strided": 4, "alexnet3d": 4}[name]
    return {"single": [f"trunk.block{blocks}"], "combined": [f"trunk.block{i}" for i in range(2, blocks + 1)]}


def normalise(images: Tensor) -> Tensor:
    """Grey images (B, H, W), uint8 in 0..255 or floating in 0..1, as a network's input (B, 3, H, W)."""
    scaled = images.float().div(255) if images.dtype == torch.uint8 else images
    mean, std = (torch.tensor(v, device=images.device, dtype=scaled.dtype).view(3, 1, 1) for v in (MEAN, STD))
    return (scaled.unsqueeze(1) - mean) / std


def zero_residual(model: nn.Module) -> None:
    """Let every residual block of a ResNet begin as the identity: the scale of its last BatchNorm is set to 0.

    Deep ResNets start to learn much earlier so (Goyal et al. 2017, section 5.1).
    """
    for module in model.modules():
        if isinstance(module, Bottleneck):
            nn.init.zeros_(module.bn3.weight)
        elif isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)


def _new_head(model: nn.Module, num_classes: int) -> None:
    if isinstance(model, torchvision.models.ResNet):
        model.fc = nn.Linear(model.fc.in_features, num_classes)
    else:
        model.classifier[-1] = nn.Linear(model.classifier[-1].in_features, num_classes)


def _checked(name: str, shape: Sequence[int] | None) -> tuple[int, int, int]:
    smallest = SMALLEST[name]
    if shape is None or len(shape) != 3:
        raise ValueError(f"{name} needs shape=(X, Y, Z), the size of its input volumes")
    if any(side < least for side, least in zip(shape, smallest, strict=True)):
        raise ValueError(
            f"{name} needs volumes of at least {' x '.join(map(str, smallest))} voxels, "
            f"not {' x '.join(map(str, shape))}"
        )
    return tuple(shape)


def _head_3d(features: int, num_classes: int) -> nn.Sequential:
    """Both dropouts of the study act here and nowhere else, elementwise."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(features, 128),
        nn.BatchNorm1d(128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, num_classes),
    )


class _Volume(nn.Module):
    """``head(trunk(x))`` for volumes (B, 1, X, Y, Z)."""

    trunk: nn.Sequential

    def _finish(self, shape: tuple[int, int, int], num_classes: int) -> None:
        was_training = self.training
        self.eval()
        with torch.no_grad():
            features = self.trunk(torch.zeros(1, 1, *shape)).numel()
        self.train(was_training)
        self.head = _head_3d(features, num_classes)

    def forward(self, volumes: Tensor) -> Tensor:
        """Logits (B, num_classes)."""
        return self.head(self.trunk(volumes))


class AlexNet3d(_Volume):
    """Their NN007: four valid convolutions, each ReLU then BatchNorm; 919,394 parameters at 256 x 256 x 64."""

    def __init__(self, shape: tuple[int, int, int], num_classes: int):
        super().__init__()
        plan = [(16, (12, 12, 3), 1), (32, 6, 4), (64, 3, 4), (128, 3, (4, 4, 1))]
        self.trunk, channels = nn.Sequential(), 1
        for number, (filters, kernel, stride) in enumerate(plan, start=1):
            convolution = nn.Conv3d(channels, filters, kernel, stride, bias=False)
            block = nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm3d(filters))
            self.trunk.add_module(f"block{number}", block)
            channels = filters
        self._finish(shape, num_classes)


class VggNet3d(_Volume):
    """Their NN008: five blocks of two same convolutions and a pooling; 2,982,010 parameters at 256 x 256 x 64."""

    def __init__(self, shape: tuple[int, int, int], num_classes: int):
        super().__init__()
        blocks, channels = [], 1
        for filters in (8, 16, 32, 64, 128):
            blocks.append([*_convolution(channels, filters), *_convolution(filters, filters)])
            channels = filters
        self.trunk = _pooled(blocks)
        self._finish(shape, num_classes)


class StridedVggNet3d(_Volume):
    """A smaller one for a laptop (ours): its first block is one 4 x 4 x 4 convolution of stride 2, and it has four.

    252,114 parameters at 64 x 64 x 32; ``benchmarks/training_step.py`` compares the times of a training step.
    """

    def __init__(self, shape: tuple[int, int, int], num_classes: int):
        super().__init__()
        blocks, channels = [_convolution(1, 8, 4, stride=2)], 8
        for filters in (16, 32, 64):
            blocks.append([*_convolution(channels, filters), *_convolution(filters, filters)])
            channels = filters
        self.trunk = _pooled(blocks)
        self._finish(shape, num_classes)


def _convolution(channels: int, filters: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv3d(channels, filters, size, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return [convolution, nn.BatchNorm3d(filters), nn.ReLU()]


def _pooled(blocks: list[list[nn.Module]]) -> nn.Sequential:
    """Blocks, each followed by a pooling."""
    trunk = nn.Sequential()
    for number, layers in enumerate(blocks, start=1):
        trunk.add_module(f"block{number}", nn.Sequential(*layers))
        trunk.add_module(f"pool{number}", nn.MaxPool3d(2))
    return trunk
