"""Weights files: saved, described, loaded."""

import json
from pathlib import Path

import torch
from torch import nn

from xiqa.store.places import results_root


def head_of(model: nn.Module) -> nn.Linear:
    """The last linear layer: what ``semi_random`` networks leave untrained."""
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1]


def save(model: nn.Module, path: Path, **about) -> None:
    """Write weights with the network's name and a few plain facts; readable with ``weights_only=True``."""
    state = {key: value.detach().cpu() for key, value in model.state_dict().items()}
    torch.save({"network": model.name, "about": json.dumps(about), "state": state}, path)


def describe(path: str | Path) -> dict:
    """What :func:`save` noted in a weights file: ``network`` and the facts given to it."""
    content = _read(Path(path))
    if "network" not in content:
        raise ValueError(f"{path} does not say which network it is of: use a weights.pt that a training step wrote")
    return {"network": content["network"]} | json.loads(content["about"])


def _read(path: Path) -> dict:
    if not path.is_file():
        raise FileNotFoundError(f"there are no weights at {path}: name a file that a training step wrote (weights.pt)")
    try:
        # Mapped, so that a description does not read the weights.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path} is not a weights file that torch can read safely ({first})") from error


def load(model: nn.Module, path: str | Path) -> None:
    """Load weights into a network of the same name; a head of another number of classes is left as it is."""
    content = _read(Path(path))
    if "state" not in content:
        content = {"network": model.name, "state": content}
    if content["network"] != model.name:
        raise ValueError(f"{path} holds weights of {content['network']}, not of {model.name}")
    state, own = content["state"], model.state_dict()
    head = next(key for key, module in model.named_modules() if module is head_of(model))
    if any(key.startswith(head) and value.shape != own[key].shape for key, value in state.items()):
        state = {key: value for key, value in state.items() if not key.startswith(head)}
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.startswith(head)]
    if missing or unexpected:
        raise ValueError(f"{path} does not fit {model.name}: missing {missing[:3]}, unexpected {unexpected[:3]}")


def newest_pretext(name: str) -> Path:
    """The newest pretext backbone of this network that a finished training step left in any profile's store."""
    paths = [
        path
        for path in results_root().glob("*/store/train_pretext/*/weights.pt")
        if json.loads((path.parent / "entry.json").read_text())["key"]["arguments"]["recipe"]["network"] == name
    ]
    if not paths:
        raise FileNotFoundError(
            f"no pretext weights for {name} in {results_root()}: a run makes them (make paper, or "
            f"python run_all.py --only 02_training:pretext-{name}); or choose weights=None"
        )
    return max(paths, key=lambda path: path.stat().st_mtime)
