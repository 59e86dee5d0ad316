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
# # 4. Do maps depend on what the network learned?
#
# A map may look convincing and say nothing about the network: an edge detector finds the same outlines in every
# radiograph and needs no training at all. So the network is made to forget, block by block, and its maps are watched. A
# map that explains what was learned must change; one that stays the same shows the picture.
#
# | makes | needs | takes |
# |---|---|---|
# | `fig_randomisation`, `table_randomisation`, `table_published_vs_corrected`, `table_published_scores` | notebook 2 | eight to ten minutes, most of them for the published programs; for the scores beside it, those of notebook 5 |
#
# **Two tests that are often mixed up.** *FR* and *SR*, the papers' randomised networks, never learned the task: fresh
# weights everywhere, or a backbone trained on something else with a fresh head. They are other networks, and only their
# *scores* can be set beside the trained one's (notebook 5). The *cascade* of Adebayo et al. (2018) begins with the trained
# network itself and draws its blocks anew from the head downwards, so that the *same picture's map* can be compared with
# what it was, step by step. The cascade ends where FR begins.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display

from xiqa import pictures, recipes, saliency
from xiqa.paper import products
from xiqa.paper.numbers import percent, text
from xiqa.paper.pointing_game import published, tables
from xiqa.paper.pointing_game import scores as pointing_game_scores
from xiqa.paper.pointing_game.game import Game, explain_published, why_not
from xiqa.paper.sanity_checks import observe
from xiqa.paper.sanity_checks import tables as checks
from xiqa.paper.study import Experiment
from xiqa.saliency.names import METHOD_NAMES, TABLE_ROWS

study = Experiment(profile, object_cxr, lvot=lvot, weights=weights)
paper = products.begin("04_sanity_checks", study)
LABELS = {"object_cxr": "Object-CXR", "lvot": "LVOT"}
MEASURES = {"spearman": "Spearman", "ssim": "SSIM", "hog": "HOG (Spearman)"}
METHODS, names = list(TABLE_ROWS), METHOD_NAMES
networks = study.primaries()

# %% [markdown]
# ## Randomising
#
# The first trained network of each data set, and images of its test split that show an object, one a patient. A block
# that is drawn anew gets parameters and batch-normalisation statistics of a new network. The class explained stays the
# one that the trained network predicted: explaining the new network's class would change the question together with the
# answer. How often that class differs is counted as *flips*. The new parameters are drawn once, so intervals are over
# images and speak of this draw.


# %%
def given(dataset, network):
    seeds = study.profile.seeds(dataset, network)
    weights, *others = (study.trained(dataset, network, seed) / "weights.pt" for seed in seeds[:2])
    about = {"prepared": study.prepared(dataset), "weights": weights, "other": others[0] if others else None}
    return about | {"network": network, "split": "test", "seed": 0}


found = {}
extent = {"count": study.profile.randomised, "repeats": 1, "batch": study.profile.maps_batch}
for dataset, network in networks.items():
    about = given(dataset, network)
    found[dataset] = study.store.frame(observe.randomisation, methods=METHODS, **about, **extent)
    print(
        f"{LABELS[dataset]}: {network}, {found[dataset]['unit'].nunique()} images, {len(found[dataset]):,} comparisons"
    )

# %% [markdown]
# ## Look first
#
# One picture of each data set. On the left the map of the trained network, then after the head, after the head and the
# last block, and so on; on the right the map of the same network trained with another seed. What survives all the way to
# the stem was never learned.

# %%
SHOWN = ["gradcam", "input_x_gradient", "guided_backprop", "normgrad_conv1x1_single", "normgrad_conv3x3_combined"]


def draw_strip(axes, pixels, shapes, steps):
    for line, method in zip(axes, SHOWN, strict=True):
        for ax, (step, maps) in zip(line, steps.items(), strict=True):
            pictures.overlay(ax, pixels, maps[method].numpy(), shapes, title=step if method == SHOWN[0] else "")
        line[0].text(-0.08, 0.5, names[method].replace(", ", "\n"), fontsize=7, rotation=90, va="center", ha="right",
                     transform=line[0].transAxes, multialignment="center")  # fmt: skip


for dataset, network in networks.items():
    row, steps = observe.along(methods=SHOWN, **given(dataset, network))
    data = study.data(dataset)
    figure, axes = plt.subplots(len(SHOWN), len(steps), figsize=(1.25 * len(steps), 1.35 * len(SHOWN)))
    draw_strip(axes, np.asarray(data.images("test")[row]), data.shapes("test", row), steps)
    figure.suptitle(f"{LABELS[dataset]}, {network}", fontsize=9)
    plt.show()

# %% [markdown]
# ## How similar, in numbers
#
# Three similarities, since each overlooks something. *Spearman* compares the order of all pixels. *SSIM* compares local
# patterns of maps scaled to their own range; a sparse map is flat nearly everywhere, and flat is like flat. *HOG* compares
# edges. So none of them is read alone, but between two marks to the right of each curve: the similarity to the trained
# network's map of **another image** (chance: what is reached without looking at this picture) and to the map of the same
# network **retrained** with another seed (what two networks agree on that both learned the task). Where *retrained* is
# below *other image*, a map says more about the network's habits than about the picture.

# %%
families = ["gradcam", *METHODS[1:4], "normgrad_scaling", "normgrad_conv1x1", "normgrad_conv3x3"]


def look(method):
    hue = families.index(method.removesuffix("_single").removesuffix("_combined"))
    return {"color": f"C{hue}", "linestyle": "--" if method.endswith("combined") else "-"}


def draw_panel(ax, part, last):
    for method, line in part.groupby("method", sort=False):
        walk, marks = (line[line["kind"].isin(kinds)] for kinds in (["cascade"], ["chance", "retrained"]))
        ax.plot(walk["step"], walk["mean"], marker="o", markersize=3, label=names[method], **look(method))
        places = last + marks["kind"].map({"chance": 1.3, "retrained": 2.3}) + 0.06 * (METHODS.index(method) - 4.5)
        filled = "none" if method.endswith("combined") else look(method)["color"]
        ax.scatter(places, marks["mean"], s=16, marker="D", facecolor=filled, edgecolor=look(method)["color"])
    ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)


# %%
curves = pd.concat([checks.curve(frame).assign(dataset=dataset) for dataset, frame in found.items()])
size = (1.6 + 4.1 * len(networks), 7.5)
figure, axes = plt.subplots(3, len(networks), figsize=size, squeeze=False, sharex="col", sharey="row")
for column, dataset in zip(axes.T, networks, strict=True):
    here = curves[curves["dataset"] == dataset]
    blocks = here[here["kind"] == "cascade"].drop_duplicates("step").set_index("step")["layer"]
    for ax, measure in zip(column, MEASURES, strict=True):
        draw_panel(ax, here[here["measure"] == measure], blocks.index.max())
        marks = [*blocks.index, blocks.index.max() + 1.3, blocks.index.max() + 2.3]
        ax.set_xticks(marks, ["trained", *blocks.iloc[1:], "other image", "retrained"], rotation=45, ha="right")
    column[0].set_title(f"{LABELS[dataset]}, {networks[dataset]}")
for ax, label in zip(axes[:, 0], MEASURES.values(), strict=True):
    ax.set_ylabel(label)
figure.supylabel("similarity to the trained network's map", fontsize=9)
figure.supxlabel("drawn anew from the head down to this block", fontsize=9)
handles, labels = axes[0, 0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside right center")
plt.show()

# %%
paper.figure(
    "fig_randomisation",
    figure,
    curves,
    "Similarity of a map to the trained network's map of the same image and class, while blocks are drawn anew from the "
    "head downwards (parameters and batch-normalisation statistics of a new network; one draw). Mean over "
    f"{max(frame['unit'].nunique() for frame in found.values())} images. Diamonds: the trained network's maps of other "
    "images (chance), and maps of the same network trained with another seed. Dashed and open: several layers combined.",
)

# %% [markdown]
# One flat line is an identity and not a finding: after global average pooling the gradient is the same at every position
# of the last block, so *NormGrad, single* with a 1 x 1 or 3 x 3 convolution is the strength of the activations times a
# constant. It cannot know the head, nor which class it explains.
#
# ## The same as a table
#
# *All random - other image* is paired by image. Above 0, the map of a network that knows nothing is more like the trained
# one's map than that map is like those of other pictures: what survives is the picture. Below 0, forgetting changes the
# map more than changing the picture does.

# %%
STAGES = [*checks.STAGES, checks.EXCESS]
overview = {dataset: checks.overview(frame) for dataset, frame in found.items()}
parts = []
for dataset, numbers in overview.items():
    cells = numbers.assign(**{stage: numbers[stage].map(text) for stage in STAGES})
    flips = {stage: text(share) for stage, share in checks.flips(found[dataset]).items()}
    cells.loc[len(cells)] = {"measure": "share of images", "method": "another class predicted", **flips}
    parts.append(cells.assign(**{"data set": LABELS[dataset]}))
table = pd.concat(parts).fillna("-").replace({"method": names, "measure": MEASURES})
paper.table(
    "table_randomisation",
    table[["data set", "measure", "method", *STAGES, "degenerate"]],
    "Similarity to the trained network's map of the same image and class (mean and 95 % interval over images): its head "
    "drawn anew; everything drawn anew; one block at a time drawn anew (mean over blocks); beside these the trained "
    "network's maps of other images (chance) and the same network trained with another seed. One draw of new parameters; "
    "batch-normalisation statistics start anew with their block. Degenerate: maps along the cascade that are constant and "
    "like nothing. Last row of each data set: images for which the other network predicts another class.",
)

# %% [markdown]
# ## Scores of networks that never learned
#
# FR and SR beside the trained network, by the pointing game (notebook 5 has their intervals, chance and the rivals). A
# score says whether the peak is in the right place; it cannot say why. A map may keep its looks and lose its score when
# the network forgets, or lose its looks and keep a score that the picture's edges give it.

# %%
missing = {dataset: f"not run: {why}" for dataset in LABELS if (why := why_not(study, dataset))}
for dataset in networks:
    if dataset not in missing:
        explain_published(study, dataset)

# %%
played = {}
for dataset, network in networks.items():
    if dataset in missing:
        print(f"{LABELS[dataset]}: {missing[dataset]}")
        continue
    played[dataset] = Game(study, dataset, next((game.chosen for game in played.values()), None))
    states = played[dataset].states
    scores = (
        pointing_game_scores.scores(states, METHODS)
        .query("smoothed")
        .pivot(index="method", columns="weights", values="mean")
    )
    print(f"{LABELS[dataset]}, {network}, share of hits in percent")
    display((100 * scores.loc[METHODS, list(states)]).round(1).rename(index=names))

# %% [markdown]
# ## The published programs, and what their defects do
#
# The authors' code does in places something else than the methods it names. Each difference below was read in their
# programs and rebuilt (`xiqa/saliency/published.py`), so that it can be switched on alone: what would the claims say if
# the code had only this one? Programs explain the class that a network predicts, for untrained networks too; the
# variant that speaks for NormGrad stays the one that the corrected program chose on validation.

# %%
pd.DataFrame({"what it does": saliency.DEFECTS, "in": {
    name: ", ".join(mode for mode, parts in saliency.MODES.items() if name in parts) or "-" for name in saliency.DEFECTS
}})  # fmt: skip

# %%
verdicts = [
    tables.programs(game, recipes.DELTA).assign(**{"data set": LABELS[dataset]}) for dataset, game in played.items()
]
verdicts = pd.concat(verdicts, ignore_index=True)
PROGRAMS = ["corrected", "published", *(name for name in published.ALONE if name in verdicts)]


def where_changed(table):
    same = table[PROGRAMS[1:]].eq(table["corrected"], axis=0)
    return table.assign(**table[PROGRAMS[1:]].mask(same, "=").fillna("-"))


paper.table(
    "table_published_vs_corrected",
    where_changed(verdicts[["data set", "claim", "statement", *PROGRAMS]]),
    f"Verdicts on the claims, smoothed maps, {recipes.TOLERANCE} px, by the corrected program, by the published one with "
    "all its defects, and with one defect alone (S1 to S8; positive: their Guided Backprop keeps the positive part of the "
    "gradient); =: as corrected, -: the defect does not act here (boxes are not transposed). The rule is that of notebook "
    "5; without combined Grad-CAM, which is ours, and with one pretrained backbone, as the programs have it. "
    + "; ".join(f"{name}: {what}" for name, what in saliency.DEFECTS.items() if name in verdicts.columns)
    + "."
    + "".join(f" {LABELS[dataset]}: {why}." for dataset, why in missing.items()),
)

# %%
rows = [tables.by_program(game, METHODS).assign(dataset=LABELS[dataset]) for dataset, game in played.items()]
scored = pd.concat(rows, ignore_index=True)
scored["cell"] = list(map(percent, scored["mean"], scored["low"], scored["high"]))
scored["maps"] = np.where(scored["smoothed"], "smoothed", "as they are")
table = scored.pivot(index=["dataset", "maps", "method"], columns="program", values="cell")
order = [(LABELS[d], maps, method) for d in played for maps in ("as they are", "smoothed") for method in METHODS]
table = table.reindex(order)[PROGRAMS]
paper.table(
    "table_published_scores",
    where_changed(table.rename(index=names).rename_axis(["data set", "maps", "method"]).reset_index()),
    f"Pointing game of the trained primary networks, {recipes.TOLERANCE} px, by every program and every defect alone, in "
    "percent with 95 % intervals over radiographs or patients and seeds; =: as corrected. Where maps are cut (S6) many "
    "pixels share the maximum and the first in raster order speaks for them, unless smoothing breaks the tie.",
)

# %%
for label, rows in verdicts.groupby("data set", sort=False):
    changed = rows.loc[rows["published"] != rows["corrected"], "claim"].astype(str)
    print(
        f"{label}: with the published program the verdict changes on "
        f"{'claim ' + ', '.join(changed) if len(changed) else 'no claim'}."
    )

# %%
for dataset, numbers in overview.items():
    order = numbers[numbers["measure"] == "spearman"].set_index("method")
    deaf = [names[m] for m, cell in order["head random"].items() if cell["mean"] > 0.95]
    stays = [names[m] for m, cell in order[checks.EXCESS].items() if cell["low"] > 0]
    print(
        f"{LABELS[dataset]}: a new head leaves the order of the pixels as it was (Spearman above 0.95) in the maps of "
        f"{', '.join(deaf) or 'no method'}; with nothing learned left, "
        f"{', '.join(stays) or 'no method'} still shows the picture more than chance does."
    )
