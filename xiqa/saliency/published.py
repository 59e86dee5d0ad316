"""The published programs, with their defects: each can be switched on alone, and all of a program's together.

The code of the papers (github.com/canerozer/explainable-iqa) is two programs: its master branch made the tables of the
arXiv papers (mode "published"), its midl branch those of the MIDL paper ("published_midl"). Their differences from the
methods they name are listed in `DEFECTS`, and the methods that each changes in `ACTS_ON`. Not rebuilt: EfficientNet-B0
cannot be built from their repository (S9), and their pictures were resized by Lanczos, which is a matter of the data.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.resnet import BasicBlock, Bottleneck

from xiqa import saliency
from xiqa.saliency import methods as ours
from xiqa.saliency.defects import DEFECTS, MODES
from xiqa.saliency.engine import EVERY, Captured, Forward, Layers, Target

_GRADIENT = ("guided_gradcam", "guided_backprop", "input_x_gradient")
_NORMGRAD = tuple(name for name in saliency.ALL if name.startswith("normgrad"))
GUIDED = ("guided_gradcam", "guided_backprop")
# S3 changes no map: it transposes the truth that a map is scored against.
ACTS_ON = {
    "S1": GUIDED,
    "S1_midl": GUIDED,
    "S2": ("gradcam", "guided_gradcam"),
    "S3": (),
    "S4": _GRADIENT,
    "S5": _NORMGRAD,
    "S5_midl": _NORMGRAD,
    "S6": ("gradcam", *_GRADIENT),
    "S7": _NORMGRAD,
    "S8": ("input_x_gradient",),
    "positive": ("guided_backprop",),
}
EPSILON = 1e-8  # C
CUT = 0.99  # quantile that gradient maps are cut at (C)


def resolve(mode: str, defects: Sequence[str]) -> frozenset[str]:
    """All defects of a mode and those named besides; ValueError if one is unknown or two exclude each other."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, and is {mode!r}")
    if unknown := [name for name in defects if name not in DEFECTS]:
        raise ValueError(f"no defect {', '.join(map(repr, unknown))}: there are {', '.join(DEFECTS)}")
    together = frozenset(MODES[mode]) | frozenset(defects)
    for name in ("S1", "S5"):
        if {name, f"{name}_midl"} <= together:
            raise ValueError(f"{name} and {name}_midl exclude each other: they are the same line of two programs")
    return together


def affected(method: str, defects: Collection[str]) -> bool:
    """Whether any of the defects changes how the map of a method is made."""
    return any(method in ACTS_ON[name] for name in defects)


def truth(masks: np.ndarray, defects: Collection[str], drawn: bool) -> np.ndarray:
    """Truth for scoring a map, bool (B, H, W): with S3 transposed where it is ``drawn`` (no boxes).

    ValueError: transposed masks that are not square (the published program crashes there).
    """
    if "S3" not in defects or not drawn:
        return masks
    if masks.shape[1] != masks.shape[2]:
        raise ValueError(f"defect S3 transposes masks, and these are {masks.shape[1]} x {masks.shape[2]}: not square")
    return masks.transpose(0, 2, 1)


class Passes:
    """Forward and backward passes for maps with any set of defects, each computed once; they keep the graph.

    The network must be in evaluation mode. ``guided``: a set of defects without S1 needs the guided gradient; the other
    arguments as for :func:`xiqa.saliency.explain`.
    """

    def __init__(
        self, model: nn.Module, images: Tensor, target: Target, layers: Layers, silu: str | None, guided: bool
    ):
        self.model, self.images, self.target = model, images, target
        self.forward = Forward(model, images, layers, guided, silu)
        self.plain: Captured = self.forward.captured(target, last=False)
        self._gradients: dict[tuple, Tensor] = {}
        self._chain: Captured | None = None

    def maps(self, names: Sequence[str], defects: Collection[str]) -> dict[str, Tensor]:
        """Maps by name with these defects; methods that they do not change are those of the corrected mode."""
        maps = ours.maps_of(self.plain, [name for name in names if not affected(name, defects)])
        dtype = torch.promote_types(self.images.dtype, torch.float32)
        with torch.autocast(self.images.device.type, enabled=False):
            wrong = {name: self._defective(name, defects) for name in names if affected(name, defects)}
        maps |= {name: values.detach().to(dtype) for name, values in wrong.items()}
        return {name: maps[name] for name in names}

    def _defective(self, name: str, defects: Collection[str]) -> Tensor:
        if name in _NORMGRAD:
            kind, which = name.rsplit("_", 1)
            layers = [self.plain.single] if which == "single" else self.plain.combined
            maps = (getattr(ours, kind)(self.plain, layer) for layer in layers)
            return combine(maps, self.plain.size, defects)
        if name == "gradcam":
            return self._cam(defects)
        if name == "input_x_gradient":
            gradient = self._gradient(0, defects)
            gradient = gradient[:, :1] if "S8" in defects else gradient
            return _grey(self.plain.images * gradient, defects)
        reach = 0 if "S1" in defects else 1 if "S1_midl" in defects else EVERY
        gradient = self._gradient(reach, defects)
        if name == "guided_gradcam":
            return _grey(gradient * self._cam(defects)[:, None], defects)
        return _grey(gradient.clamp(min=0) if "positive" in defects else gradient, defects)

    def _gradient(self, reach: float, defects: Collection[str]) -> Tensor:
        both = "S4" in defects and self.target is None
        if not both and reach == 0:
            return self.plain.input_gradient
        if not both and reach == EVERY:
            return self.plain.guided_gradient
        if (reach, both) not in self._gradients:
            target = None if both else self.plain.target
            self._gradients[reach, both] = self.forward.input_gradient(target, reach)
        return self._gradients[reach, both]

    def _cam(self, defects: Collection[str]) -> Tensor:
        captured = self._chained() if "S2" in defects else self.plain
        if "S6" not in defects:
            return saliency.resize(ours.cam(captured, captured.single), captured.size)
        return rough_cam(captured, EPSILON if "S5" in defects else 0.0)

    def _chained(self) -> Captured:
        """Activations and gradients of the last convolution where the last block runs as a chain."""
        if self._chain is None:
            name = self.plain.single
            block = self.model.get_submodule(name)
            last = _last_convolution(block)
            if last is None:
                self._chain = self.plain
            else:
                with chained(block):
                    chain = Forward(self.model, self.images, {"single": [f"{name}.{last}"]}, False, None)
                self._chain = chain.captured(self.target, inputs=False)
        return self._chain


@contextmanager
def chained(block: nn.Module) -> Iterator[None]:
    """Run the children of a residual block one after the other, without the skip connection."""
    own = block.__dict__.get("forward")
    block.forward = nn.Sequential(*block.children()).forward
    try:
        yield
    finally:
        del block.forward
        if own is not None:
            block.forward = own


def _last_convolution(block: nn.Module) -> str | None:
    """The layer of a residual block that their Grad-CAM reads; None without a skip connection."""
    if not isinstance(block, BasicBlock | Bottleneck):
        return None
    if block.downsample is not None:
        raise ValueError("defect S2 needs a last block that keeps the size: theirs cannot run one that downsamples")
    return "conv2" if isinstance(block, BasicBlock) else "conv3"


def rough_cam(c: Captured, epsilon: float) -> Tensor:
    """Grad-CAM from an accumulator of ones, in 8 bits, resized by Lanczos in 8 bits, (B, *size) float32 in [0, 1]."""
    layer = c.single
    activation, gradient = c.activations[layer].float(), c.gradients[layer].float()
    summed = torch.einsum("bc,bc...->b...", gradient.flatten(2).mean(2), activation)
    cams = _min_max((1 + summed).relu(), epsilon).nan_to_num(0).mul(255).to(torch.uint8).cpu().numpy()
    height, width = c.size
    resized = [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.LANCZOS)) for one in cams]
    return torch.from_numpy(np.stack(resized)).to(activation.device).float() / 255


def combine(maps: Iterator[Tensor], size: Sequence[int], defects: Collection[str]) -> Tensor:
    """Product over layers as their programs form it, (B, *size)."""
    guard = EPSILON if "S5" in defects else 0.0 if "S5_midl" in defects else None
    product = None
    for layer in maps:
        if guard is None:
            # In double precision; zero where the layer is constant.
            factor = _min_max(saliency.resize(layer.double(), size), 0.0).nan_to_num(0)
        else:
            mode = {2: "bilinear", 3: "trilinear"}[layer.dim() - 1]
            resized = functional.interpolate(layer.float()[:, None], tuple(size), mode=mode, align_corners=False)[:, 0]
            factor = _min_max(resized, guard)
        nothing = (factor == 0).flatten(1).all(1).view(-1, *[1] * (factor.dim() - 1))
        if guard is None and "S7" not in defects:
            factor = torch.where(nothing, 1.0, factor)
        product = factor if product is None else product * factor
        if "S7" in defects:
            product = torch.where(nothing, 1.0, product)
    return _min_max(product, EPSILON) if "S5" in defects else product


def _min_max(maps: Tensor, epsilon: float) -> Tensor:
    space = tuple(range(1, maps.dim()))
    low, high = maps.amin(space, keepdim=True), maps.amax(space, keepdim=True)
    return (maps - low) / (high - low + epsilon)


def _grey(gradient: Tensor, defects: Collection[str]) -> Tensor:
    """Sum of absolute values over channels; with S6 scaled from its minimum to its 99th percentile, and cut there."""
    maps = saliency.absolute(gradient)
    if "S6" not in defects:
        return maps
    flat = maps.flatten(1)
    shape = -1, *[1] * (maps.dim() - 1)
    # One by one: a quantile over many pixels at once is refused.
    high = torch.stack([one.double().quantile(CUT) for one in flat]).to(flat).view(shape)
    low = flat.amin(1).view(shape)
    return ((maps - low) / (high - low)).clamp(0, 1)
