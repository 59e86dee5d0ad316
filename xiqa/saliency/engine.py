"""One forward pass and at most two backward passes, from which every saliency method takes what it needs.

The plain backward pass gives the gradient at every captured layer and at the input; the guided one (Springenberg et
al. 2015) gives the input gradient with the rule of Guided Backprop, through the same graph. Gradients are taken with
``torch.autograd.grad`` with respect to captured tensors only, so no parameter's ``.grad`` is read or written, and
frozen parameters make no difference.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

SILU_RULES = ("clamp", "relu_rule", "plain")
EVERY = math.inf  # reach of the guided rule: every activation
_RELU = {functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}


@dataclass
class Captured:
    """What a method may use; every tensor is detached.

    Attributes
    ----------
    model : the network, in evaluation mode, with none of our hooks on it.
    images : (B, C, H, W) or (B, C, X, Y, Z), the normalised inputs.
    logits : (B, K).
    target : (B,) int64, the explained class of each image.
    layers : ``{"single": [name], "combined": [name, ...]}``.
    activations, gradients : by layer name, (B, channels, *grid): the layer's output, and the gradient of the target
        logit with respect to it.
    input_gradient : like `images`, the gradient of the target logit.
    guided_gradient : the same by the guided rule; None unless a method registered with ``guided=True`` was asked for.
    cache : for whatever several methods share.
    """

    model: nn.Module
    images: Tensor
    logits: Tensor
    target: Tensor
    layers: Mapping[str, Sequence[str]]
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
            raise ValueError(
                f"this method needs {count} under {kind!r} and got {list(names)}: give "
                'layers={"single": [...], "combined": [...]} or a network built by xiqa.models.build'
            )
        return names


class Forward:
    """One forward pass with its graph, from which the gradients of one class after the other are taken.

    The gradient of the sum over the batch of the chosen logits is the gradient of each image's own logit only where
    images do not mix: the network must be in evaluation mode (`evaluating`).

    Parameters
    ----------
    model, images : as for :func:`xiqa.saliency.explain`.
    layers : ``{"single": [name], "combined": [name, ...]}``, whose outputs are kept.
    guided : whether the guided gradient will be wanted too.
    silu : see `GuidedRule`.

    Raises
    ------
    ValueError : unknown layer, layer without a grid, and SiLU met with ``guided`` and no ``silu`` chosen.
    """

    def __init__(
        self, model: nn.Module, images: Tensor, layers: Mapping[str, Sequence[str]], guided: bool, silu: str | None
    ):
        self.model, self.layers, self.guided, self.rule = model, layers, guided, GuidedRule(silu)
        names = list(dict.fromkeys(name for group in layers.values() for name in group))
        self.outputs: dict[str, Tensor] = {}
        with torch.inference_mode(False), torch.enable_grad():
            self.inputs = images.detach().clone().requires_grad_()
            with _hooks(model, names, self.outputs), self.rule if guided else nullcontext():
                # The network gets a copy, so that one whose first operation works in place cannot touch the leaf.
                self.logits = model(self.inputs.clone())
        if self.logits.dim() != 2:
            shape = tuple(self.logits.shape)
            raise ValueError(f"the network must put out one row of logits an image, not shape {shape}")
        self.outputs = {name: self.outputs[name] for name in names}

    def captured(self, target: int | Tensor | None, last: bool = True, inputs: bool = True) -> Captured:
        """Activations and gradients for a class; see `Captured`.

        ``last`` frees the graph on the way, after which no further class can be asked for. Without ``inputs`` the
        gradients are taken at the layers only, which is cheap where they are late ones, and that of the input is zero.

        Raises
        ------
        ValueError : target out of range, layer without an influence on the logits.
        """
        with torch.inference_mode(False), torch.enable_grad():
            classes = _classes(target, self.logits)
            score = self.logits.gather(1, classes[:, None]).sum()
            wanted = [*self.outputs.values(), *([self.inputs] if inputs else [])]
            self.rule.reach = 0
            gradients = list(
                torch.autograd.grad(score, wanted, retain_graph=self.guided or not last, allow_unused=True)
            )
            plain = gradients.pop() if inputs else torch.zeros_like(self.inputs)
            guided = self.input_gradient(classes, EVERY, last) if self.guided else None
        for name, gradient in zip(self.outputs, gradients, strict=True):
            if gradient is None:
                raise ValueError(f"the logits do not depend on the output of layer {name!r}: name another layer")
        return Captured(
            model=self.model,
            images=self.inputs.detach(),
            logits=self.logits.detach(),
            target=classes,
            layers=self.layers,
            activations={name: output.detach() for name, output in self.outputs.items()},
            gradients=dict(zip(self.outputs, gradients, strict=True)),
            input_gradient=plain,
            guided_gradient=guided,
        )

    def input_gradient(self, target: Tensor | None, reach: float, last: bool = False) -> Tensor:
        """Gradient at the input, like the images, of each image's logit ``target`` (B,), or of the sum of all logits.

        ``reach``: the guided rule acts on so many first activations of the network; 0 is the plain gradient.
        """
        with torch.inference_mode(False), torch.enable_grad():
            score = self.logits.sum() if target is None else self.logits.gather(1, target[:, None]).sum()
            self.rule.reach = reach
            return torch.autograd.grad(score, self.inputs, retain_graph=not last)[0]


def capture(
    model: nn.Module,
    images: Tensor,
    target: int | Tensor | None,
    layers: Mapping[str, Sequence[str]],
    guided: bool,
    silu: str | None,
) -> Captured:
    """Run the network once and collect activations and gradients for one class; see `Forward` and `Captured`."""
    return Forward(model, images, layers, guided, silu).captured(target)


class GuidedRule(TorchFunctionMode):
    """While it is entered, every ReLU and SiLU leaves a hook on its output that applies the guided rule.

    The rule zeroes the negative part of the gradient that arrives at the output; the function's own derivative then
    follows. Because calls are watched and not modules, a module that is used twice, one that works in place and a
    plain function call are all met, and nothing in the network is replaced. The hooks live on the graph and go with
    it; only the first `reach` of them act, none to begin with, so one graph serves all backward passes.

    Parameters
    ----------
    silu : "clamp" (as for ReLU), "relu_rule" (also zero where the output is <= 0), "plain" (untouched); there is no
        agreed rule, so with None the first SiLU raises.
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
                raise ValueError(
                    "the network uses SiLU, for which guided methods have no agreed rule: choose silu='clamp' "
                    "(negative output gradients zeroed), 'relu_rule' (also where the output is <= 0) or 'plain'"
                )
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
def _hooks(model: nn.Module, names: Iterable[str], outputs: dict[str, Tensor]) -> Iterator[None]:
    """Keep the outputs of the named modules during a forward pass (of a module called twice, the last one)."""

    def keeper(name: str):
        def keep(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
            if not isinstance(output, Tensor) or output.dim() < 3:
                raise ValueError(f"layer {name!r} does not put out one tensor (B, channels, *grid): name another layer")
            outputs[name] = output
            # What follows may work in place: it gets a copy, and the values and gradient kept here stay the layer's.
            return output.clone()

        return keep

    modules = dict(model.named_modules())
    unknown = [name for name in names if name not in modules]
    if unknown:
        raise ValueError(f"{type(model).__name__} has no layer {', '.join(map(repr, unknown))}")
    handles = [modules[name].register_forward_hook(keeper(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    missed = [name for name in names if name not in outputs]
    if missed:
        raise ValueError(f"the forward pass does not call layer {', '.join(map(repr, missed))}")


def _classes(target: int | Tensor | None, logits: Tensor) -> Tensor:
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
