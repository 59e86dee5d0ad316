# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. What is in the data?
#
# A classifier, and every map that explains it, can only be as good as the pictures it saw. This notebook asks what the
# radiographs, the cardiac cine frames and the brain volumes are, how many of them are usable, and where the things lie
# that make an image a bad one.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_datasets`, `fig_datasets`, `fig_mri_artifacts`, `table_audit` | nothing; embedded data are simulated, and the networks that the audit asks are trained, if that was not done before | three to five minutes after notebook 2; by hand before it about fifteen; seconds once done |
#
# - **Object-CXR** has 10,000 frontal radiographs, half of them with foreign objects *within the lung field*: buttons,
#   buckles, zips, necklaces. Objects outside the lungs, and support devices such as ECG leads, are not annotated, so a
#   "negative" film is not a film without metal.
# - **LVOT** (private) has 17,204 frames of 690 four-chamber cine records; in half of them the plane was tilted so that
#   the left ventricular outflow tract can be seen, which is a fault of planning. Frames of a patient are not independent.
# - The **MRI study** (private) has 34,800 brain scans of which 2 % have an artifact: of intensity, of motion, of coverage.
#
# By default this paper runs on **simulated stand-ins written in the same layouts**; give a folder to use real data.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
mri = None  # folder of real brain volumes; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display

from xiqa import pictures, recipes
from xiqa.data.files.volumes import load_volume
from xiqa.paper import products
from xiqa.paper.audit import proofs
from xiqa.paper.study import NAMES, Experiment

study = Experiment(profile, object_cxr, lvot=lvot, mri=mri, weights=weights)
paper = products.begin("01_data", study)
films, frames, scans = study.data("object_cxr"), study.data("lvot"), study.volumes()
sets = {"object_cxr": films, "lvot": frames, "mri": scans}

# %% [markdown]
# ## What was read, and what was left out
#
# Every file is opened to its end before anything else happens. A damaged one is named below with what to do about it, and
# the rest goes on without it. *Units* are what is independent: films, patients, subjects.


# %%
def about(name, data):
    kind = f"{NAMES[name]}{' (simulated stand-in)' if study.stand_in(name) else ''}"
    summary = data.summary().rename(columns={"scans": "images", "subjects": "units", "artifact": "positive"})
    return summary.assign(**{"data set": kind})[["data set", *COLUMNS]]


COLUMNS = ["split", "images", "units", "positive", "left out", "warnings"]
summary = pd.concat([about(name, data) for name, data in sets.items()], ignore_index=True)
paper.table(
    "table_datasets",
    summary,
    "Images, frames and scans by split after every check. Positive: an annotated foreign object in the lung field, a "
    "visible outflow tract, an artifact. 'Left out' counts files or rows that could not be used. Validation and test "
    "scans are enriched in artifacts; their numbers are reweighted to 2 % later.",
)

# %%
problems = pd.concat([data.problems.assign(data=name) for name, data in sets.items()], ignore_index=True)
with pd.option_context("display.max_colwidth", None):
    display(problems[["data", "status", "message"]].head(20) if len(problems) else "Nothing was found wrong.")
print("\n".join(f"{NAMES[name]}: {note}" for name, data in sets.items() for note in data.notes))

# %% [markdown]
# ## Good and bad images
#
# Green outlines are the annotation: rectangle, ellipse or polygon with a margin on films, the visible outflow tract on
# frames. Look for metal outside the outlines too: it is there in both rows of films, and it is what makes that task more
# than "find metal". On frames, look between the atria: a fifth chamber that should not be there.

# %%
count = study.profile.shown
rows = {
    ("object_cxr", 1): "object in the lung field",
    ("object_cxr", 0): "none in the lung field",
    ("lvot", 1): "outflow tract visible",
    ("lvot", 0): "four chambers",
}
figure = plt.figure(figsize=(10.5, 10.5 * 4 / count + 3))
top, bottom = figure.subfigures(2, 1, height_ratios=[10.5 * 4 / count, 3])
grid = top.subplots(len(rows), count)
plt.close(figure)  # shown below, when it is filled


# %%
def row_of(line, name, label, text):
    data = sets[name]
    records = data.records("test").drop_duplicates("unit") if name == "lvot" else data.records("test")
    chosen = records.index[records["label"] == label][:count]
    for ax, i in zip(line, chosen, strict=False):
        title = Path(records["image"][i]).name
        pictures.radiograph(ax, data.images("test")[i], data.shapes("test", i), title)
    line[0].text(-0.08, 0.5, text, rotation=90, va="center", ha="right", transform=line[0].transAxes)


for ax in grid.flat:
    ax.set_axis_off()
for line, ((name, label), text) in zip(grid, rows.items(), strict=True):
    row_of(line, name, label, text)

# %% [markdown]
# ## Where the objects lie, and whether brightness gives the label away
#
# The maps of annotated pixels are also a warning: whatever gathers in one place can be "found" by always pointing there.
# Notebook 5 prints that rival beside every method.

# %%
share, brightness = {}, []
for name, data in list(sets.items())[:2]:
    train = data.records("train")
    marked = np.flatnonzero(train["label"].to_numpy() == 1) if data.has_truth("train") else []
    share[name] = data.truth("train", marked).mean(axis=0) if len(marked) else np.zeros((data.size, data.size))
    means = [float(image.mean()) for image in data.images("train")]
    brightness.append(pd.DataFrame({"data set": NAMES[name], "label": train["label"], "mean": means}))
brightness = pd.concat(brightness, ignore_index=True).replace({"label": {0: "good", 1: "bad"}})

axes = bottom.subplots(1, 4)
for ax, (name, shown) in zip(axes, share.items(), strict=False):
    figure.colorbar(ax.imshow(shown, cmap="magma"), ax=ax, label="share of positives")
    ax.set_title(f"annotated pixels,\n{NAMES[name]}", fontsize=8)
    ax.set_axis_off()
for ax, (kind, part) in zip(axes[2:], brightness.groupby("data set", sort=False), strict=True):
    sns.kdeplot(part, x="mean", hue="label", hue_order=["good", "bad"], ax=ax, common_norm=False).set(
        xlabel="mean grey value"
    )
    ax.set_title(f"mean brightness,\n{kind}", fontsize=8)
    sns.move_legend(ax, "upper left", title="")
figure

# %%
paper.figure(
    "fig_datasets",
    figure,
    brightness,
    "Test images with annotation in green: radiographs with and without a foreign object in the lung field, cine frames "
    "with and without a visible outflow tract; bottom: where annotated pixels of the training images lie, and the mean "
    "brightness of both classes.",
)

# %% [markdown]
# ## Brain scans: clean, and the three types of artifacts
#
# Each panel shows the middle sagittal and the middle axial plane of a scan as it lies on disk. Severity spans from what a
# rater would hardly notice to gross, so some of these are hard to see. That is meant; and what lies in other slices (a
# spike in one slice of a 2D acquisition) is not in these two planes at all. *Passed*: an artifact so mild that the simulated
# rater let the scan pass as clean.

# %%
records = scans.records("test")
kinds = records["artifact_type"].where(records["label"] == 1, "clean")
types = ["clean", *sorted(set(kinds) - {"clean"})]
figure, axes = plt.subplots(len(types), count, figsize=(2.2 * count, 1.3 * len(types)), squeeze=False)
plt.close(figure)
drawn = []


# %%
def scan(ax, record):
    volume = load_volume(study.root("mri", [record["path"]]) / record["path"])
    spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
    ax.imshow(pictures.views(volume.array, spacing), cmap="gray", vmin=0, vmax=1)
    passed = " (passed)" if record["label"] == 0 and record["artifact"] else ""
    ax.set_title(f"{record['contrast']} {record['artifact'] or ''}{passed}".replace("_", " "), fontsize=7)
    drawn.append(record)


for ax in axes.flat:
    ax.set_axis_off()
for line, kind in zip(axes, types, strict=True):
    line[0].text(-0.04, 0.5, kind, rotation=90, va="center", ha="right", transform=line[0].transAxes)
    for ax, i in zip(line, records.index[kinds == kind], strict=False):
        scan(ax, records.loc[i])
figure

# %%
paper.figure(
    "fig_mri_artifacts",
    figure,
    pd.DataFrame(drawn),
    "Middle sagittal and axial planes of test scans: clean ones, and the paper's types of artifacts, in the order of the "
    "data set.",
)

# %% [markdown]
# ## Do the stand-ins ask what they say?
#
# The worst fault of simulated data is a shortcut: something other than the cause that tells the label. So the causes are
# taken off, and everything must become a guess. In the **null world** every film and scan is drawn once more with the same
# random numbers and the same label, but without what the label is about (films keep as many objects in both classes), and
# patients of cines bear the labels of other patients; a network trained there must not beat chance. The network of the paper
# itself must be at a loss before test images **without their cause**, and with the **lungs hidden**. And no classifier may
# tell the label from **files, headers, background and borders**. Intervals of these questions are adjusted for their number.
#
# Below that, how hard the tasks are: what a histogram or a blob detector can do, and what is left of a network on **another
# scanner** (objects, contrasts, tone and noise that it never saw).

# %%
found = proofs.audit(study)
pd.set_option("display.max_colwidth", None)
paper.table(
    "table_audit",
    proofs.shown(found),
    "Proofs on the embedded data, as areas under the ROC curve on test items with intervals over films, patients or subjects "
    f"({recipes.CONFIDENCE:.0%}; those of 'must not tell' adjusted for their number). Null worlds of films and scans are trained "
    "on the items whose counterfactuals are kept. Verdicts: a proof of 'must not tell' holds if its interval contains 0.5, "
    "the others if their AUC is on the right side of its bound.",
)

# %%
if not study.real:
    display(proofs.reliance(study).round(3))
    print("\n".join(f"{name}: {words}" for name, words in recipes.frozen().items()))

# %%
labels = {name: data.records("train")["label"] for name, data in sets.items()}
print(
    f"{len(labels['object_cxr'])} training films ({labels['object_cxr'].mean():.0%} with an object), "
    f"{len(labels['lvot'])} frames of {frames.records('train')['unit'].nunique()} patients ({labels['lvot'].mean():.0%} with a "
    f"visible outflow tract) and {len(labels['mri'])} brain scans ({labels['mri'].mean():.1%} with an artifact; the paper has "
    f"{recipes.PREVALENCE:.0%})."
)
silent, told = (found[(found["kind"] == proofs.NOT) & (found["verdict"] == verdict)] for verdict in ("holds", "fails"))
print(
    f"Of {len(silent) + len(told)} proofs that nothing but the cause tells a label, {len(silent)} hold"
    f"{': not ' + '; '.join(told['question']) if len(told) else ''}."
)
