"""Manifests: what a finished job or notebook depended on and made, and in words why one has to run.

A job is up to date when the store has its entries. A notebook is up to date when its code, its recipes and the content
of the entries that it reads are those of its last run, and its products are still there.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xiqa.runner.settings import Settings
from xiqa.runner.steps import Step, flat, parts, product_files
from xiqa.store.digests import digest, file_digest
from xiqa.store.files import write_bytes
from xiqa.store.store import MissingEntryError

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
    "versions": "the version of {name}",
    "machine": "{name}",
}
CHANGED_MEANWHILE = "its sources changed while it ran"
WITH_VALUES = ("parameters", "arguments", "recipe", "versions", "machine")  # kinds whose values mean something
NEVER = "it never ran to its end"


@dataclass
class Plan:
    """What is to be done with one job or notebook, and why.

    Attributes
    ----------
    name : of the job or the notebook.
    reasons : why it runs, in words; empty where it is up to date.
    fingerprint : of a job the digest of its entries, of a notebook that of ``parts``; empty while not known.
    parts : what the products of a notebook depend on.
    past : manifest of its last complete run, or None.
    """

    name: str
    reasons: list[str] = field(default_factory=list)
    fingerprint: str = ""
    parts: dict = field(default_factory=dict)
    past: dict | None = None


class Planner:
    """Plans jobs and notebooks of one run.

    Parameters
    ----------
    study : a study whose store does not compute.
    jobs, steps : by name.
    forced : names that run whatever the store has.
    """

    def __init__(
        self,
        settings: Settings,
        study: "Study",
        jobs: Mapping[str, "Job"],
        steps: Mapping[str, Step],
        forced: Iterable[str] = (),
    ):
        self.settings, self.study, self.jobs, self.steps = settings, study, jobs, steps
        self.forced = set(forced)
        self.contents: dict[str, str] = {}  # of the entries of jobs that are up to date

    def everything(self) -> dict[str, Plan]:
        """Plan of every job and notebook; one whose needs have to run has these as its reasons."""
        return {name: self.plan(name) for name in (*self.jobs, *self.steps)}

    def needs(self, name: str) -> tuple[str, ...]:
        """Names of the jobs that a job or notebook needs."""
        return (self.jobs if name in self.jobs else self.steps)[name].needs

    def plan(self, name: str) -> Plan:
        """Plan of one job or notebook, as things stand now."""
        plan = Plan(name, past=read(self.settings, name))
        if name in self.jobs:
            self._job(plan)
        elif waiting := [need for need in self.needs(name) if need not in self.contents]:
            plan.reasons = [f"{need} runs" for need in waiting]
        else:
            plan.reasons = self._reasons(plan)
        if name in self.forced:
            plan.reasons = ["it is forced"]
            self.contents.pop(name, None)
        return plan

    def _job(self, plan: Plan) -> None:
        self.contents.pop(plan.name, None)
        if waiting := [need for need in self.needs(plan.name) if need not in self.contents]:
            plan.reasons = [f"{need} runs" for need in waiting]
            return
        try:
            plan.fingerprint = self.contents[plan.name] = self.content(plan.name)
        except MissingEntryError as missing:
            plan.reasons = changes_of_key(plan.past, missing)

    def entries(self, name: str) -> list[Path]:
        """Store entries of a job.

        Raises
        ------
        MissingEntryError : the store does not have them.
        """
        entries = self.jobs[name].entries(self.study)
        return [entries] if isinstance(entries, Path) else list(entries)

    def content(self, name: str) -> str:
        """Digest of the content of a job's entries; errors as ``entries``."""
        return digest([self.study.store.content(entry) for entry in self.entries(name)])

    def _reasons(self, plan: Plan) -> list[str]:
        """Why a notebook has to run: what changed since its manifest, and products that are not what they were."""
        step, past = self.steps[plan.name], plan.past
        plan.parts = parts(step, self.settings, self.contents)
        plan.fingerprint = digest(plan.parts)
        if past is None:
            return [NEVER]
        reasons = changes(past["parts"], plan.parts)
        if plan.fingerprint != past["fingerprint"] and not reasons:
            reasons = [CHANGED_MEANWHILE]
        if missing := [name for name in step.products if name not in past["products"]]:
            reasons.append(f"it now makes {', '.join(missing)}")
        for name in step.products:
            reasons += _damaged(self.settings.figures_folder, past["products"].get(name, {}))
        if not self.settings.executed(plan.name).is_file():
            reasons.append("its executed notebook is gone")
        return reasons

    def finished(self, plan: Plan, outcome: dict, started: float, environment: dict) -> bool:
        """Keep the manifest of what has run to its end; False where its sources changed meanwhile."""
        about = {
            "name": plan.name,
            "reasons": plan.reasons,
            "started": stamp(started),
            "ended": stamp(time.time()),
            "seconds": outcome["seconds"],
            "environment": environment,
            "process": os.getpid(),
        }
        own = self._finished_job(plan) if plan.name in self.jobs else self._finished_step(plan, outcome)
        write_bytes(_path(self.settings, plan.name), json.dumps(about | own, indent=1).encode())
        return bool(own["fingerprint"])

    def _finished_job(self, plan: Plan) -> dict:
        self.forced.discard(plan.name)
        try:
            entries = self.entries(plan.name)
        except MissingEntryError:
            return {"fingerprint": "", "keys": []}
        self.contents[plan.name] = digest([self.study.store.content(entry) for entry in entries])
        keys = [json.loads((entry / "entry.json").read_text())["key"] for entry in entries]
        return {"fingerprint": self.contents[plan.name], "keys": keys}

    def _finished_step(self, plan: Plan, outcome: dict) -> dict:
        step, folder = self.steps[plan.name], self.settings.figures_folder
        same = parts(step, self.settings, self.contents) == plan.parts
        made = {name: {f: file_digest(folder / f) for f in product_files(name)} for name in step.products}
        return {
            "fingerprint": plan.fingerprint if same else "",
            "parts": plan.parts,
            "products": made,
            "executable": outcome["executable"],
        }

    def forget(self, name: str) -> None:
        """Remove the manifest of a job or notebook, and the products of a notebook, before it runs.

        Nothing old can then pass for its next run's. Entries of a forced job are removed too.
        """
        _path(self.settings, name).unlink(missing_ok=True)
        if name in self.steps:
            self.settings.checks(name).unlink(missing_ok=True)
            for product in self.steps[name].products:
                for file in product_files(product):
                    (self.settings.figures_folder / file).unlink(missing_ok=True)
        elif name in self.forced:
            try:
                for entry in self.entries(name):
                    (entry / "entry.json").unlink(missing_ok=True)
            except MissingEntryError:
                return


def changes_of_key(past: dict | None, missing: MissingEntryError) -> list[str]:
    """Why a job has to run: how the key of the missing entry differs from that of the job's last run."""
    keys = (past or {}).get("keys", [])
    before = next((key for key in keys if key["function"] == missing.key["function"]), None)
    if before is None:
        return [NEVER]
    kinds = [_kinds(key) for key in (before, missing.key)]
    return changes(*kinds) or ["its entry is gone"]


def _kinds(key: dict) -> dict[str, dict]:
    return {
        "modules": key["code"],
        "arguments": flat(key["arguments"]),
        "data": {"files": key["data"]},
        "versions": key["versions"],
        "machine": {"device": key["device"], "threads": key["threads"]},
    }


def _damaged(folder: Path, files: dict[str, str]) -> list[str]:
    reasons = []
    for name, before in files.items():
        path = folder / name
        shown = f"{folder.parent.name}/{folder.name}/{name}"
        if not path.is_file():
            reasons.append(f"{shown} is missing")
        elif file_digest(path) != before:
            reasons.append(f"{shown} was changed since")
    return reasons


def changes(before: dict, now: dict) -> list[str]:
    """Differences between the parts of two runs, in words."""
    differences = []
    for kind in now:
        old, new = before.get(kind, {}), now[kind]
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name) and (name in old) == (name in new):
                continue
            if kind == "needs":
                word = "is newly needed" if name not in old else "is no longer needed" if name not in new else "changed"
                differences.append(f"job {name} {word}")
            else:
                differences.append(_difference(kind, name, old, new))
    return differences


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


def _path(settings: Settings, name: str) -> Path:
    return settings.run_folder / "manifests" / f"{file_stem(name)}.json"


def file_stem(name: str) -> str:
    """The name of a job or notebook as part of a file name."""
    return name.replace(":", "-")


def read(settings: Settings, name: str) -> dict | None:
    """Manifest of the last complete run, or None; one that cannot be read counts as none."""
    try:
        manifest = json.loads(_path(settings, name).read_text())
        needed = {"fingerprint", "ended", "seconds"} | ({"keys"} if "keys" in manifest else {"parts", "products"})
        return manifest if needed <= manifest.keys() else None
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def stamp(seconds: float) -> str:
    """Local date and time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
