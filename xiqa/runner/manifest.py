"""Manifests: what a finished job or notebook depended on and made, and in words why one has to run.

A job is up to date when the store has its entries; a notebook when its products and all it depends on are unchanged.
"""

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xiqa.runner.settings import Settings
from xiqa.runner.steps import Step, flat, parts, product_files
from xiqa.store.digests import digest, file_digest
from xiqa.store.files import write_bytes
from xiqa.store.store import ABOUT, MissingEntryError

if TYPE_CHECKING:
    from xiqa.paper.study import Job, Study

KINDS = {
    "code": "the code of {name}",
    "modules": "the code of {name}",
    "files": "the file {name}",
    "parameters": "parameter {name}",
    "arguments": "argument {name}",
    "recipe": "the recipe's {name}",
    "data": "the data {name}",
    "needs": "the result of {name}",
    "versions": "the version of {name}",
    "machine": "{name}",
}
WITH_VALUES = ("parameters", "arguments", "recipe", "versions", "machine")  # kinds whose values mean something
CHANGED_MEANWHILE = "its sources changed while it ran"
NEVER = "it never ran to its end"


@dataclass
class Plan:
    """What is to be done with one job or notebook, and why."""

    name: str
    reasons: list[str] = field(default_factory=list)  # why it runs, in words; empty where it is up to date
    parts: dict = field(default_factory=dict)  # what the products of a notebook depend on
    past: dict | None = None  # manifest of its last complete run

    @property
    def fingerprint(self) -> str:
        """Digest of the parts of a notebook."""
        return digest(self.parts)

    @property
    def since(self) -> str:
        """Why it need not run, in words."""
        return f"nothing changed since {self.past['ended'][:16]}" if self.past else "the store has it"


@dataclass
class Planner:
    """Plans the jobs and notebooks of one run."""

    settings: Settings
    study: "Study"  # its store does not compute
    jobs: Mapping[str, "Job"]  # each after all that it needs
    steps: Mapping[str, Step]
    forced: set[str]  # names that run although nothing changed
    contents: dict[str, str] = field(default_factory=dict)  # digest of the entries of each job that is up to date

    def everything(self) -> dict[str, Plan]:
        """Plan of every job and notebook; one whose needs have to run has these as its reasons."""
        return {name: self.plan(name) for name in (*self.jobs, *self.steps)}

    def needs(self, name: str) -> tuple[str, ...]:
        """Names of the jobs that a job or notebook needs."""
        return (self.jobs if name in self.jobs else self.steps)[name].needs

    def plan(self, name: str) -> Plan:
        """Plan of one job or notebook, as things stand now."""
        plan = Plan(name, past=read(self.settings, name))
        self.contents.pop(name, None)
        if waiting := [need for need in self.needs(name) if need not in self.contents]:
            plan.reasons = [f"{need} runs" for need in waiting]
        elif name in self.steps:
            plan.parts = parts(self.steps[name], self.settings, self.contents)
            plan.reasons = self._changes(plan)
        else:
            try:
                self.contents[name] = self._content(self._entries(name))
            except MissingEntryError as missing:
                plan.reasons = _changes_of_key(plan.past, missing)
        if name in self.forced:
            plan.reasons = ["it is forced"]
            self.contents.pop(name, None)
        return plan

    def _entries(self, name: str) -> list[Path]:
        """Store entries of a job; MissingEntryError if the store does not have them."""
        entries = self.jobs[name].entries(self.study)
        return [entries] if isinstance(entries, Path) else list(entries)

    def _content(self, entries: list[Path]) -> str:
        return digest([self.study.store.content(entry) for entry in entries])

    def _changes(self, plan: Plan) -> list[str]:
        """Why a notebook has to run: what changed since its manifest, and products that are not what they were."""
        past, folder = plan.past, self.settings.figures_folder
        if past is None:
            return [NEVER]
        reasons = changes(past["parts"], plan.parts)
        if plan.fingerprint != past["fingerprint"] and not reasons:
            reasons = [CHANGED_MEANWHILE]
        for product in self.steps[plan.name].products:
            if product not in past["products"]:
                reasons.append(f"it now makes {product}")
            for file, before in past["products"].get(product, {}).items():
                shown = f"{folder.parent.name}/{folder.name}/{file}"
                if not (folder / file).is_file():
                    reasons.append(f"{shown} is missing")
                elif file_digest(folder / file) != before:
                    reasons.append(f"{shown} was changed since")
        if not self.settings.executed(plan.name).is_file():
            reasons.append("its executed notebook is gone")
        return reasons

    def finished(self, plan: Plan, seconds: float, started: float, environment: dict) -> bool:
        """Keep the manifest of what has run to its end; False where its sources changed meanwhile."""
        about = {"name": plan.name, "reasons": plan.reasons, "started": stamp(started), "ended": stamp(time.time())}
        about |= {"seconds": seconds, "environment": environment, "process": os.getpid()}
        if plan.name in self.jobs:
            self.forced.discard(plan.name)
            about |= {"fingerprint": "", "keys": []}
            with contextlib.suppress(MissingEntryError):  # its code has changed since it began
                entries = self._entries(plan.name)
                about["fingerprint"] = self.contents[plan.name] = self._content(entries)
                about["keys"] = [json.loads((entry / ABOUT).read_text())["key"] for entry in entries]
        else:
            step, folder = self.steps[plan.name], self.settings.figures_folder
            same = parts(step, self.settings, self.contents) == plan.parts
            made = {name: {file: file_digest(folder / file) for file in product_files(name)} for name in step.products}
            about |= {"fingerprint": plan.fingerprint if same else "", "parts": plan.parts, "products": made}
        write_bytes(_path(self.settings, plan.name), json.dumps(about, indent=1).encode())
        return bool(about["fingerprint"])

    def forget(self, name: str) -> None:
        """Before a job or notebook runs, remove its manifest, its products, and a forced job's entries."""
        _path(self.settings, name).unlink(missing_ok=True)
        if name in self.steps:
            self.settings.checks(name).unlink(missing_ok=True)
            for product in self.steps[name].products:
                for file in product_files(product):
                    (self.settings.figures_folder / file).unlink(missing_ok=True)
        elif name in self.forced:
            with contextlib.suppress(MissingEntryError):
                for entry in self._entries(name):
                    (entry / ABOUT).unlink(missing_ok=True)


def _changes_of_key(past: dict | None, missing: MissingEntryError) -> list[str]:
    """Why a job has to run: how the key of the missing entry differs from that of the job's last run."""
    keys = (past or {}).get("keys", [])
    before = next((key for key in keys if key["function"] == missing.key["function"]), None)
    return (changes(_kinds(before), _kinds(missing.key)) or ["its entry is gone"]) if before else [NEVER]


def _kinds(key: dict) -> dict[str, dict]:
    return {
        "modules": key["code"],
        "arguments": flat(key["arguments"]),
        "data": {"files": key["data"]},
        "versions": key["versions"],
        "machine": {"device": key["device"], "threads": key["threads"]},
    }


def changes(before: dict, now: dict) -> list[str]:
    """Differences between the parts of two runs, in words."""
    differences = []
    for kind, new in now.items():
        old = before.get(kind, {})
        for name in sorted(old.keys() | new.keys()):
            subject, values = KINDS[kind].format(name=name), kind in WITH_VALUES
            if name not in old:
                differences.append(f"{subject} is new" + (f": {_short(new[name])}" if values else ""))
            elif name not in new:
                differences.append(f"{subject} is no longer used")
            elif old[name] != new[name]:
                change = f" from {_short(old[name])} to {_short(new[name])}" if values else ""
                differences.append(f"{subject} changed{change}")
    return differences


def _short(value: object) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 40 else text[:39] + "…"


def _path(settings: Settings, name: str) -> Path:
    return settings.run_folder / "manifests" / f"{file_stem(name)}.json"


def file_stem(name: str) -> str:
    """The name of a job or notebook as part of a file name."""
    return name.replace(":", "-")


def read(settings: Settings, name: str) -> dict | None:
    """Manifest of the last complete run, or None; one that cannot be read counts as none."""
    try:
        return json.loads(_path(settings, name).read_text())
    except (OSError, ValueError):
        return None


def stamp(seconds: float) -> str:
    """Local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
