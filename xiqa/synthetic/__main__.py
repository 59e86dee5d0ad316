"""``python -m xiqa.synthetic --clean``: list embedded data on disk and remove those that no profile uses."""

import argparse
import sys
from pathlib import Path

from xiqa.store.places import data_root
from xiqa.synthetic import embedded


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 0 unless the arguments are wrong."""
    parser = argparse.ArgumentParser(prog="python -m xiqa.synthetic", description=__doc__)
    parser.add_argument("--clean", action="store_true", required=True, help="remove embedded data that no profile uses")
    parser.add_argument("--yes", action="store_true", help="do not ask before removing")
    options = parser.parse_args(arguments)

    from xiqa.recipes import embedded_specs

    ours, foreign = embedded.unused(embedded_specs())
    used = [path for path in sorted(data_root().glob("*-*")) if path.is_dir() and path not in ours + foreign]
    for path in used:
        print(f"in use    {megabytes(path):8.1f} MB  {path}")
    for path in foreign:
        print(f"not ours  {megabytes(path):8.1f} MB  {path}  (left alone)")
    for path in ours:
        print(f"unused    {megabytes(path):8.1f} MB  {path}")
    if not ours:
        print("Nothing to remove.")
        return 0
    if not options.yes and not agreed(f"Remove {len(ours)} unused folder(s)? [y/N] "):
        print("Nothing removed.")
        return 0
    for path in ours:
        embedded.remove(path)
    print(f"Removed {len(ours)} folder(s).")
    return 0


def agreed(question: str) -> bool:
    """Whether the answer on the terminal is yes; False without a terminal."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def megabytes(path: Path) -> float:
    """Size of a folder."""
    return sum(part.stat().st_size for part in path.rglob("*") if part.is_file()) / 1e6


if __name__ == "__main__":
    sys.exit(main())
