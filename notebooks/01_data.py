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
# radiographs are, how many of them are usable, and where the foreign objects lie.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_datasets`, `fig_datasets` | nothing; embedded films are simulated the first time | about two minutes the first time, seconds after |
#
# **Object-CXR** has 10,000 frontal radiographs, half of them with foreign objects *within the lung field*: buttons,
# buckles, zips, necklaces. Objects outside the lungs, and support devices such as ECG leads, are not annotated, so a
# "negative" film is not a film without metal. By default this paper runs on **simulated stand-ins written in the
# same layout**; give `object_cxr` a folder to use the real films.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import display

from xiqa import pictures, products
from xiqa.experiment import Experiment

study = Experiment(profile, object_cxr, weights)
paper = products.begin("01_data", study)
data = study.data("object_cxr")

# %% [markdown]
# ## What was read, and what was left out
#
# Every file is opened to its end before anything else happens. A damaged one is named below with what to do about it, and
# the rest goes on without it.

# %%
summary = data.summary()
paper.table(
    "table_datasets",
    summary.assign(**{"data set": "Object-CXR" if not study.stand_in else "Object-CXR (simulated stand-in)"}),
    "Images by split after every check: positives have at least one annotated foreign object in the lung field; "
    "'left out' counts images or rows that could not be used.",
)

# %%
with pd.option_context("display.max_colwidth", None):
    display(data.problems[["status", "message"]].head(20) if len(data.problems) else "Nothing was found wrong.")
print("\n".join(data.notes))

# %% [markdown]
# ## Films with and without an object in the lung field
#
# Green outlines are the annotation, drawn as the annotators drew it: rectangle, ellipse or polygon with a margin. Look
# for metal outside the outlines too: it is there in both rows, and it is what makes the task more than "find metal".

# %%
count = study.profile.shown
records = data.records("test")
shown = [records.index[records["label"] == label][:count] for label in (1, 0)]

figure = plt.figure(figsize=(10.5, 10.5 * 2 / count + 2.8))
top, bottom = figure.subfigures(2, 1, height_ratios=[10.5 * 2 / count, 2.8])
axes = top.subplots(2, count)
for row, name in enumerate(("object in the lung field", "none in the lung field")):
    for ax, i in zip(axes[row], shown[row], strict=False):
        pictures.radiograph(ax, data.images("test")[i], data.shapes("test", i), records["image"][i])
    axes[row, 0].text(-0.08, 0.5, name, rotation=90, va="center", ha="right", transform=axes[row, 0].transAxes)

# %% [markdown]
# ## Where the objects lie, how large they are, and whether brightness gives the label away
#
# The map of annotated boxes is also a warning: whatever gathers in one place can be "found" by always pointing there.
# Notebook 5 prints that rival beside every method.

# %%
train = data.records("train")
positives = np.flatnonzero(train["label"].to_numpy() == 1)
truth = data.truth("train", positives)
extent = [np.sqrt((s.box[2] - s.box[0]) * (s.box[3] - s.box[1])) for i in positives for s in data.shapes("train", i)]
brightness = pd.DataFrame(
    {"label": train["label"], "mean": [float(image.mean()) for image in data.images("train")]},
).replace({"label": {0: "none", 1: "object"}})

places, sizes, means = bottom.subplots(1, 3)
shown_map = places.imshow(truth.mean(axis=0), cmap="magma")
figure.colorbar(shown_map, ax=places, label="share of positives")
places.set_title("annotated pixels, train")
places.set_axis_off()
sns.histplot(x=extent, ax=sizes, bins=30, color="C0").set(
    title="size of annotated boxes, train", xlabel=f"side in px of {study.size('object_cxr')}"
)
sns.kdeplot(brightness, x="mean", hue="label", ax=means, common_norm=False).set(
    title="mean brightness, train", xlabel="grey value"
)
sns.move_legend(means, "upper left", title="")
figure

# %%
paper.figure(
    "fig_datasets",
    figure,
    brightness.assign(image=train["image"], objects=[len(data.shapes("train", i)) for i in range(len(train))]),
    "Radiographs of the test split with (top) and without (middle) a foreign object in the lung field, annotation in "
    "green; bottom: where training objects lie, how large they are, and the mean brightness of both classes.",
)

# %%
means_by_class = brightness.groupby("label")["mean"].mean()
print(
    f"{len(train)} training films, {len(extent)} annotated objects with a median side of {np.median(extent):.0f} px; "
    f"mean brightness {means_by_class['object']:.1f} with and {means_by_class['none']:.1f} without an object."
)
