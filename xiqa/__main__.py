"""``python -m xiqa explain FILE... -o DIR``: a trained classifier's answer to people's own films, explained."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0, 1 if some file could not be used, 2 for wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m xiqa", description="Explainable image quality on your own films.")
    commands = parser.add_subparsers(dest="command", required=True)
    explain = commands.add_parser("explain", help="prediction, probability and saliency maps of radiographs")
    explain.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PNG, JPEG, TIFF or DICOM")
    explain.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="where the pictures go")
    explain.add_argument("--weights", type=Path, help="a weights.pt of a training step; default: the newest run's")
    explain.add_argument("--profile", choices=("smoke", "quick", "paper"), help="take the classifier of this profile")
    given = parser.parse_args(arguments)

    # Drawing and torch are loaded only once the arguments are known to be good.
    import matplotlib as mpl

    mpl.use("Agg")
    from xiqa import score
    from xiqa.data import BadInput

    if given.out.exists() and not given.out.is_dir():
        print(f"{given.out} is a file: name a folder for the pictures with -o", file=sys.stderr)
        return 2
    try:
        classifier = score.find_classifier(given.profile, given.weights)
    except BadInput as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"classifier: {classifier.origin}. A research tool: not for clinical use.")
    summary = score.explain_files(given.files, given.out, classifier)
    return int((summary["status"] == "error").any())


if __name__ == "__main__":
    sys.exit(main())
