"""``python -m xiqa explain FILE... -o DIR``: predictions and saliency maps for people's own films and brain scans."""

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0, 1 if some file could not be used, 2 for wrong arguments."""
    about = "Explainable image quality on your own films and scans."
    parser = argparse.ArgumentParser(prog="python -m xiqa", description=about)
    commands = parser.add_subparsers(dest="command", required=True)
    about = "prediction, probability and saliency maps of radiographs and brain volumes"
    add = commands.add_parser("explain", help=about).add_argument
    kinds = "PNG, JPEG, TIFF or DICOM radiographs; NIfTI or MINC volumes"
    add("files", nargs="+", type=Path, metavar="FILE", help=kinds)
    add("-o", "--out", type=Path, required=True, metavar="DIR", help="where the pictures go")
    add("--weights", type=Path, help="a weights.pt of a training step; default: the newest run's")
    add("--profile", choices=("smoke", "quick", "paper"), help="take the classifier of this profile")
    add("--volume", type=int, metavar="K", help="which volume of a 4D file is meant, counted from 0")
    options = parser.parse_args(arguments)

    # Drawing and torch take seconds to load, so wrong arguments are refused before.
    import matplotlib as mpl

    mpl.use("Agg")
    from xiqa.errors import BadInput
    from xiqa.score import films

    if options.out.exists() and not options.out.is_dir():
        print(f"{options.out} is a file: name a folder for the pictures with -o", file=sys.stderr)
        return 2
    try:
        classifiers = films.find_classifiers(options.files, options.profile, options.weights)
    except BadInput as problem:
        print(problem, file=sys.stderr)
        return 2
    for classifier in classifiers.values():
        print(f"classifier: {classifier.origin}. A research tool: not for clinical use.")
    summary = films.explain_files(options.files, options.out, classifiers, options.volume)
    return int((summary["status"] == "error").any())


if __name__ == "__main__":
    sys.exit(main())
