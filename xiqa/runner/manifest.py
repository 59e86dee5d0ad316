"""Manifests: what a finished step depended on and made, and in words why a step has to run."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from xiqa.runner.settings import Settings
from xiqa.runner.steps import Step, parts, product_files
from xiqa.store.digests import digest, file_digest
from xiqa.store.files import write_bytes

KINDS = {
    "code": "the code of {name}",
    "modules": "the code of {name}",
    "files": "the file {name}",
    "parameters": "parameter {name}",
    "recipe": "the recipe's {name}",
    "data": "the data {name}",
    "versions": "the version of {name}",
    "machine": "{name}",
}
CHANGED_MEANWHILE = "its sources changed while it ran"
WITH_VALUES = ("parameters", "recipe", "versions", "machine")  # kinds whose values mean something to a reader


@dataclass
class Plan:
    """What is to be done with one step, and why.

    Attributes
    ----------
    step : the step.
    parts : what its result depends on now; ``fingerprint`` is their digest.
    reasons : why it runs, in words; empty where it is up to date.
    manifest : of its last complete run, or None.

    """

    step: Step
    parts: dict
    reasons: list[str] = field(default_factory=list)
    manifest: dict | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of everything the result depends on."""
        return digest(self.parts)


def plan(steps: list[Step], settings: Settings, forced: set[str] = frozenset()) -> dict[str, Plan]:
    """Name -> plan of every step; the steps come in an order in which each follows what it needs."""
    plans: dict[str, Plan] = {}
    for step in steps:
        upstream = {name: plans[name].fingerprint for name in step.needs}
        found = Plan(step, parts(step, settings, upstream), manifest=read(settings, step))
        found.reasons = ["it is forced"] if step.name in forced else reasons(found, settings)
        plans[step.name] = found
    return plans


def reasons(planned: Plan, settings: Settings) -> list[str]:
    """Why a step has to run: what changed since its manifest, and products that are not what they were."""
    manifest = planned.manifest
    if manifest is None:
        return ["it never ran to its end"]
    found = changes(manifest["parts"], planned.parts)
    if planned.fingerprint != manifest["fingerprint"] and not found:
        found = [CHANGED_MEANWHILE]
    if missing := [name for name in planned.step.products if name not in manifest["products"]]:
        found.append(f"it now makes {', '.join(missing)}")
    for name in planned.step.products:
        found += _damaged(settings.figures_folder, manifest["products"].get(name, {}))
    if not settings.executed(planned.step.stem).is_file():
        found.append("its executed notebook is gone")
    return found


def _damaged(folder: Path, files: dict[str, str]) -> list[str]:
    found = []
    for name, before in files.items():
        path = folder / name
        shown = f"{folder.parent.name}/{folder.name}/{name}"
        if not path.is_file():
            found.append(f"{shown} is missing")
        elif file_digest(path) != before:
            found.append(f"{shown} was changed since")
    return found


def changes(before: dict, now: dict) -> list[str]:
    """Differences between the parts of two runs of a step, in words."""
    found = []
    for kind in now:
        old, new = before.get(kind, {}), now[kind]
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name) and (name in old) == (name in new):
                continue
            if kind == "needs":
                word = "is newly needed" if name not in old else "is no longer needed" if name not in new else "changed"
                found.append(f"step {name} {word}")
            else:
                found.append(_difference(kind, name, old, new))
    return found


def _difference(kind: str, name: str, old: dict, new: dict) -> str:
    subject = KINDS[kind].format(name=name)
    values = kind in WITH_VALUES
    if name not in old:
        return f"{subject} is new" + (f": {_short(new[name])}" if values else "")
    if name not in new:
        return f"{subject} is no longer used"
    return f"{subject} changed" + (f" from {_short(old[name])} to {_short(new[name])}" if values else "")


def _short(value: object) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 40 else text[:39] + "…"


def _path(settings: Settings, step: Step) -> Path:
    return settings.run_folder / "manifests" / f"{step.stem}.json"


def read(settings: Settings, step: Step) -> dict | None:
    """Manifest of the last complete run of a step, or None; one that cannot be read counts as none."""
    try:
        manifest = json.loads(_path(settings, step).read_text())
        return manifest if {"parts", "fingerprint", "products", "ended", "seconds"} <= manifest.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def forget(settings: Settings, step: Step) -> None:
    """Remove manifest, products and checks of a step, so that nothing old can pass for its next run's."""
    _path(settings, step).unlink(missing_ok=True)
    settings.checks(step.name).unlink(missing_ok=True)
    for name in step.products:
        for file in product_files(name):
            (settings.figures_folder / file).unlink(missing_ok=True)


def write(settings: Settings, planned: Plan, outcome: dict, started: float, environment: dict, same: bool) -> None:
    """Keep what a finished step depended on and made.

    Where what it depends on is not the ``same`` as at its start, the manifest has no fingerprint and never answers for
    another run.
    """
    folder = settings.figures_folder
    made = {n: {f: file_digest(folder / f) for f in product_files(n)} for n in planned.step.products}
    manifest = {
        "step": planned.step.name,
        "fingerprint": planned.fingerprint if same else "",
        "parts": planned.parts,
        "products": made,
        "reasons": planned.reasons,
        "started": stamp(started),
        "ended": stamp(time.time()),
        "seconds": outcome["seconds"],
        "executable": outcome["executable"],
        "environment": environment,
        "process": os.getpid(),
    }
    write_bytes(_path(settings, planned.step), json.dumps(manifest, indent=1).encode())


def stamp(seconds: float) -> str:
    """Local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
