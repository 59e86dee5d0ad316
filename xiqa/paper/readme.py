"""The README's numbers, generated from the tables of a run."""

import json
from pathlib import Path

from xiqa.store.files import read_frame, write_bytes
from xiqa.store.places import figures_root, project_root

README_MARKS = ("<!-- numbers of figures/quick, by make readme -->", "<!-- end of numbers -->")


def headline(folder: Path) -> str:
    """The numbers that the README quotes, from the values and tables of a run, as Markdown."""
    values: dict[str, dict] = {}
    for path in sorted((folder / "values").glob("*.json")):
        values |= json.loads(path.read_text())
    lines = ["| what | value |", "|---|---|"]
    for name, entry in values.items():
        place = name.split("_", 1)[1] if name.startswith("auc_") else ""
        share = not entry["meaning"].startswith(("F1", "average precision"))
        shown = f"{100 * entry['value']:.1f} %" if share else f"{entry['value']:.3f}"
        lines.append(f"| {' '.join([entry['meaning'], place]).strip()} | {shown} |")
    claims = read_frame(folder / "table_claims_saliency.csv").query("program == 'corrected'")
    claims = claims.drop_duplicates(["data set", "claim"])
    verdicts = claims.pivot(index=["claim", "statement"], columns="data set", values="verdict on the claim")
    lines += ["", f"| claim on saliency maps | {' | '.join(verdicts)} |", "|---" * (1 + verdicts.shape[1]) + "|"]
    lines += [f"| {n}. {statement} | {' | '.join(row)} |" for (n, statement), row in verdicts.iterrows()]
    effects = read_frame(folder / "table_published_vs_corrected.csv")
    lines += ["", "| verdicts that the published program's defects change | corrected | published |", "|---|---|---|"]
    for _, row in effects[effects["published"] != "="].iterrows():
        statement = f"{row['data set']}, {row['claim']}. {row['statement']}"
        lines.append(f"| {statement} | {row['corrected']} | {row['published']} |")
    claims = read_frame(folder / "table_claims_mri.csv").drop_duplicates("claim")
    lines += ["", "| claim on MRI artifacts | verdict here |", "|---|---|"]
    lines += [f"| {c['claim']}. {c['statement']} | {c['verdict on the claim']} |" for _, c in claims.iterrows()]
    return "\n".join(lines)


def quote(readme: Path, folder: Path) -> str:
    """The README's text with its numbers taken anew from a run; everything outside the two markers stays."""
    before, rest = readme.read_text().split(README_MARKS[0])
    after = rest.split(README_MARKS[1])[1]
    return f"{before}{README_MARKS[0]}\n{headline(folder)}\n{README_MARKS[1]}{after}"


if __name__ == "__main__":
    readme = project_root() / "README.md"
    write_bytes(readme, quote(readme, figures_root() / "quick").encode())
