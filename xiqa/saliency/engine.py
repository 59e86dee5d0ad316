"""One forward pass and at most two backward passes, from which every saliency method takes what it needs.

The plain backward pass gives the gradients at the captured layers and at the input; the guided one (Springenberg et al.
2015) the input gradient by the rule of Guided Backprop, through the same graph. No parameter's ``.grad`` changes.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Methods = Sequence[str] | str
Target = int | Tensor | None
Layers = Mapping[str, Sequence[str]]
SILU_RULES = ("clamp", "relu_rule", "plain")
EVERY = math.inf  # reach of the guided rule: every activation
_RELU = {functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}


@dataclass
class Captured:
    """Input of a saliency method: the network in evaluation mode and detached tensors of one batch.

    Images and input gradients are (B, C, H, W) or (B, C, X, Y, Z), logits (B, K), the explained classes ``target`` (B,)
    int64, and ``layers`` is ``{"single": [name], "combined": [name, ...]}``. Activations of a layer and gradients of
    the target logit there are (B, channels, *grid). ``guided_gradient`` is None unless a method was registered with
    ``guided=True``. Methods may share values in ``cache``.
    """

    model: nn.Module
    images: Tensor
    logits: Tensor
    target: Tensor
    layers: Layers
    activations: dict[str, Tensor]
    gradients: dict[str, Tensor]
    input_gradient: Tensor
    guided_gradient: Tensor | None = None
    cache: dict = field(default_factory=dict)

    @property
    def size(self) -> torch.Size:
        """Height and width (or the three lengths) of an input, which are those of a map."""
        return self.images.shape[2:]

    @property
    def single(self) -> str:
        """Name of the one layer of the single-layer methods."""
        return self._names("single")[0]

    @property
    def combined(self) -> Sequence[str]:
        """Names of the layers whose maps are multiplied."""
        return self._names("combined")

    def _names(self, kind: str) -> Sequence[str]:
        names = self.layers.get(kind, ())
        if not names or (kind == "single" and len(names) != 1):
            count = "one layer" if kind == "single" else "at least one layer"
            usage = 'layers={"single": [...], "combined": [...]} or a network built by xiqa.models.build'
            raise ValueError(f"this method needs {count} under {kind!r} and got {list(names)}: give {usage}")
        return names


class Forward:
    """One forward pass with its graph, from which the gradients of one class after the other are taken.

    The network must be in evaluation mode: only if the images do not mix is the gradient of the summed logits that of
    each image's own. ``guided``: the guided gradient is wanted too; ``silu``: see `GuidedRule`. ValueError: unknown
    layer, layer without a grid, SiLU with ``guided`` and no rule.
    """

    def __init__(self, model: nn.Module, images: Tensor, layers: Layers, guided: bool, silu: str | None):
        self.model, self.layers, self.guided, self.rule = model, layers, guided, GuidedRule(silu)
        names = list(dict.fromkeys(name for group in layers.values() for name in group))
        self.outputs: dict[str, Tensor] = {}
        with torch.inference_mode(False), torch.enable_grad():
            self.inputs = images.detach().clone().requires_grad_()
            with _hooks(model, names, self.outputs), self.rule if guided else nullcontext():
                # The network gets a copy, so that one whose first operation works in place cannot touch the leaf.
                self.logits = model(self.inputs.clone())
        if self.logits.dim() != 2:
            raise ValueError(f"a network must return one row of logits an image, not shape {tuple(self.logits.shape)}")
        self.outputs = {name: self.outputs[name] for name in names}

    def captured(self, target: Target, last: bool = True, inputs: bool = True) -> Captured:
        """Activations and gradients for a class; ValueError for a target out of range or a layer without influence.

        ``last`` frees the graph: no further class can follow. Without ``inputs`` the gradient at the input is zero,
        which saves most of a backward pass where all layers are late ones.
        """
        with torch.inference_mode(False), torch.enable_grad():
            classes = explained_classes(target, self.logits)
            score = self.logits.gather(1, classes[:, None]).sum()
            wanted = [*self.outputs.values(), *([self.inputs] if inputs else [])]
            self.rule.reach = 0
            keep = self.guided or not last
            gradients = list(torch.autograd.grad(score, wanted, retain_graph=keep, allow_unused=True))
            plain = gradients.pop() if inputs else torch.zeros_like(self.inputs)
            guided = self.input_gradient(classes, EVERY, last) if self.guided else None
        by_layer = dict(zip(self.outputs, gradients, strict=True))
        for name, gradient in by_layer.items():
            if gradient is None:
                raise ValueError(f"the logits do not depend on the output of layer {name!r}: name another layer")
        images, logits = self.inputs.detach(), self.logits.detach()
        activations = {name: output.detach() for name, output in self.outputs.items()}
        return Captured(self.model, images, logits, classes, self.layers, activations, by_layer, plain, guided)

    def input_gradient(self, target: Tensor | None, reach: float, last: bool = False) -> Tensor:
        """Gradient at the input of each image's logit ``target`` (B,), or of the sum of all logits.

        The guided rule acts on the first ``reach`` activations of the network; 0 is the plain gradient.
        """
        with torch.inference_mode(False), torch.enable_grad():
            score = self.logits.sum() if target is None else self.logits.gather(1, target[:, None]).sum()
            self.rule.reach = reach
            return torch.autograd.grad(score, self.inputs, retain_graph=not last)[0]


class GuidedRule(TorchFunctionMode):
    """Hooks of the guided rule on the output of every ReLU and SiLU that is called while it is entered.

    The rule zeroes the negative part of the gradient at the output. It watches calls and not modules, so modules used
    twice, in-place modules and function calls are all met. The hooks live on the graph; the first ``reach`` of them
    act, none to begin with, so one graph serves all backward passes. ``silu`` is "clamp" (as for ReLU), "relu_rule"
    (also zero where the output is <= 0) or "plain"; with None the first SiLU raises, since there is no agreed rule.
    """

    def __init__(self, silu: str | None):
        super().__init__()
        self.silu = silu
        self.reach, self.count = 0, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call the function, then hook its output."""
        output = func(*args, **(kwargs or {}))
        if func in _RELU:
            self._hook(output)
        elif func is functional.silu:
            if self.silu is None:
                raise ValueError("SiLU has no agreed guided rule: choose silu='clamp', 'relu_rule' or 'plain'")
            if self.silu != "plain":
                # The mask is a tensor of its own: a hook that holds the output would keep the graph alive.
                self._hook(output, output.detach() > 0 if self.silu == "relu_rule" else None)
        return output

    def _hook(self, output: Tensor, mask: Tensor | None = None) -> None:
        number = self.count
        self.count += 1

        def clamp(gradient: Tensor) -> Tensor:
            if number >= self.reach:
                return gradient
            gradient = gradient.clamp(min=0)
            return gradient if mask is None else gradient * mask

        if output.requires_grad:
            output.register_hook(clamp)


@contextmanager
def _hooks(model: nn.Module, names: Sequence[str], outputs: dict[str, Tensor]) -> Iterator[None]:
    """Keep the outputs of the named modules during a forward pass (of a module called twice, the last one)."""

    def keep(name: str, module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        if not isinstance(output, Tensor) or output.dim() < 3:
            raise ValueError(f"layer {name!r} does not put out one tensor (B, channels, *grid): name another layer")
        outputs[name] = output
        # What follows may work in place: it gets a copy, and the values and gradient kept here stay the layer's.
        return output.clone()

    modules = dict(model.named_modules())
    if unknown := [name for name in names if name not in modules]:
        raise ValueError(f"{type(model).__name__} has no layer {', '.join(map(repr, unknown))}")
    with ExitStack() as handles:
        for name in names:
            handles.enter_context(modules[name].register_forward_hook(partial(keep, name)))
        yield
    if missed := [name for name in names if name not in outputs]:
        raise ValueError(f"the forward pass does not call layer {', '.join(map(repr, missed))}")


def explained_classes(target: Target, logits: Tensor) -> Tensor:
    """The explained class of each image, (B,) int64; None is the predicted one."""
    count, classes = logits.shape
    if target is None:
        return logits.detach().argmax(1)
    # A copy: a tensor made in inference mode may not be kept for a backward pass.
    chosen = torch.as_tensor(target, device=logits.device).clone()
    if chosen.is_floating_point() or chosen.dtype == torch.bool or chosen.shape not in ((), (count,)):
        raise ValueError(f"target must be None, an int or {count} ints, one an image")
    chosen = chosen.long().expand(count)
    if ((chosen < 0) | (chosen >= classes)).any():
        raise ValueError(f"target must lie in 0..{classes - 1}, the classes of the network, and is {target}")
    return chosen
