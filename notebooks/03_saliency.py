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
# # 3. What do the maps look like?
#
# Before any score, look. The same films are explained by every method; the classifier is the primary network, first
# seed. All maps come from one forward and two backward passes.
#
# | makes | needs | takes |
# |---|---|---|
# | `fig_examples_object_cxr`, `fig_layers`, `fig_smoothing`, `fig_failures` | notebook 2 | under a minute |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from xiqa import models, pictures, pointing_game, products, recipes, saliency, tables
from xiqa.experiment import Experiment

study = Experiment(profile, object_cxr, weights)
paper = products.begin("03_saliency", study)
data = study.data("object_cxr")
network = study.profile.networks("object_cxr")[0]
model = study.model("object_cxr", network, seed=0)

# %% [markdown]
# ## Which films to look at
#
# Not the prettiest ones: half are hits and half are misses of the combined NormGrad map that did best on validation, and
# they are taken in the order of the data set.

# %%
observed = study.observations("object_cxr", network).query("seed == 0")
chosen = tables.best_on_validation(study.observations("object_cxr", network, split="val"))
outcome = observed.query("method == @chosen and smoothed").set_index("image")
hits = outcome.index[outcome["outcome"] == "hit"]
misses = outcome.index[outcome["outcome"] == "miss"]
half = study.profile.shown // 2 + study.profile.shown % 2
images = [*hits[:half], *misses[: study.profile.shown - half]]
print(f"{chosen}: {len(hits)} hits and {len(misses)} misses among {len(outcome)} films with an object")

# %%
records = data.records("test").reset_index(drop=True)
rows = [int(records.index[records["image"] == name][0]) for name in images]
pixels = np.asarray(data.images("test")[rows])
inputs = models.normalise(torch.from_numpy(pixels))
maps = saliency.explain(model, inputs, silu="clamp")
truth = data.truth("test", rows)

# %% [markdown]
# ## Original, annotation, and every method
#
# The cross marks the maximum of the smoothed map, the ring is the tolerance of 15 px around it: a hit if it touches the
# green box. *Grad-CAM* has the grid of the last block and cannot point finer than a cell. *Gradient* maps are fine and
# noisy. *NormGrad, combined* multiplies coarse and fine layers.

# %%
methods = ["gradcam", "guided_gradcam", "input_x_gradient", "guided_backprop"]
methods += [f"normgrad_{v}_{kind}" for v in ("scaling", "conv1x1", "conv3x3") for kind in ("single", "combined")]
figure, axes = plt.subplots(len(rows), len(methods) + 1, figsize=(1.25 * (len(methods) + 1), 1.35 * len(rows)))
played = []
for r, line in enumerate(axes):
    shapes = data.shapes("test", rows[r])
    pictures.radiograph(line[0], pixels[r], shapes, images[r])
    for ax, method in zip(line[1:], methods, strict=True):
        game = pointing_game.play(
            pointing_game.smooth(maps[method][r : r + 1], **recipes.SMOOTHING), truth[r : r + 1], recipes.TOLERANCE
        ).iloc[0]
        peak = (game["row"], game["column"])
        pictures.overlay(ax, pixels[r], maps[method][r].numpy(), shapes, peak, recipes.TOLERANCE, game["outcome"])
        played.append({"image": images[r], "method": method, **game})
for ax, method in zip(axes[0, 1:], methods, strict=True):
    name = products.METHOD_NAMES[method].replace(", ", "\n").replace("Guided ", "Guided\n")
    ax.set_title(f"{name}\n{ax.get_title()}", fontsize=6.5)
plt.show()

# %%
paper.figure(
    "fig_examples_object_cxr",
    figure,
    pd.DataFrame(played),
    f"Films of the test split with their annotation (green) and the map of every method on {network}, hits and misses of "
    f"{products.METHOD_NAMES[chosen]} alike; cross: maximum of the smoothed map, ring: tolerance of 15 px.",
)

# %% [markdown]
# ## What combining layers does
#
# NormGrad (1 x 1 convolution) read at four depths. Shallow layers see every edge, deep ones know what matters but not
# quite where; their product keeps what all agree on.

# %%
layers = model.saliency_layers["combined"]
by_layer = {
    layer: saliency.explain(model, inputs, "normgrad_conv1x1_single", layers={"single": [layer]})[
        "normgrad_conv1x1_single"
    ]
    for layer in layers
}
by_layer["product"] = maps["normgrad_conv1x1_combined"]
some = range(min(4, len(rows)))
figure, axes = plt.subplots(len(some), len(by_layer) + 1, figsize=(1.6 * (len(by_layer) + 1), 1.7 * len(some)))
for r in some:
    pictures.radiograph(axes[r, 0], pixels[r], data.shapes("test", rows[r]), images[r])
    for ax, (layer, layer_maps) in zip(axes[r, 1:], by_layer.items(), strict=True):
        pictures.overlay(ax, pixels[r], layer_maps[r].numpy(), data.shapes("test", rows[r]), title=layer)
plt.show()

# %%
depth = pd.concat(
    [
        pointing_game.play(layer_maps, truth, recipes.TOLERANCE).assign(layer=layer, image=images)
        for layer, layer_maps in by_layer.items()
    ]
)
paper.figure(
    "fig_layers",
    figure,
    depth,
    f"NormGrad (1 x 1 convolution) of {network} layer by layer, and the product of the layers.",
)

# %% [markdown]
# ## What smoothing does
#
# A Gaussian of one pixel, over the map, just before its maximum is taken. A single bright pixel loses to a bright patch.

# %%
smoothing = ("guided_backprop", "input_x_gradient", chosen)
figure, axes = plt.subplots(2, len(smoothing), figsize=(2.6 * len(smoothing), 5.4))
moved = []
for column, method in enumerate(smoothing):
    for row, smoothed in enumerate((False, True)):
        one = maps[method][:1]
        one = pointing_game.smooth(one, **recipes.SMOOTHING) if smoothed else one
        game = pointing_game.play(one, truth[:1], recipes.TOLERANCE).iloc[0]
        title = f"{products.METHOD_NAMES[method]}, {'smoothed' if smoothed else 'as it is'}: {game['outcome']}"
        where = (game["row"], game["column"])
        shapes = data.shapes("test", rows[0])
        pictures.overlay(axes[row, column], pixels[0], one[0].numpy(), shapes, where, recipes.TOLERANCE, title)
        moved.append({"method": method, "smoothed": smoothed, **game})
plt.show()

# %%
paper.figure(
    "fig_smoothing",
    figure,
    pd.DataFrame(moved),
    "The same film before and after smoothing; cross: maximum of the map, ring: tolerance of 15 px.",
)

# %% [markdown]
# ## Where it goes wrong
#
# All of these are misses of the best NormGrad map. The title gives the probability of an object: a film that the
# network called clean (below one half) is explained for *clean*, the class that it predicted, as in the papers.

# %%
failed = list(misses[: 2 * study.profile.shown]) or list(hits[:1])
failed_rows = [int(records.index[records["image"] == name][0]) for name in failed]
failed_pixels = np.asarray(data.images("test")[failed_rows])
failed_maps = saliency.explain(model, models.normalise(torch.from_numpy(failed_pixels)), chosen, silu="clamp")[chosen]
figure, axes = pictures.sheet(columns=min(6, len(failed)), count=len(failed))
for i, (ax, name) in enumerate(zip(axes.flat, failed, strict=False)):
    at = outcome.loc[name]
    title = f"{name}\np(object) = {at['probability']:.2f}"
    shapes = data.shapes("test", failed_rows[i])
    where = (at["row"], at["column"])
    pictures.overlay(ax, failed_pixels[i], failed_maps[i].numpy(), shapes, where, recipes.TOLERANCE, title)
plt.show()

# %%
paper.figure(
    "fig_failures",
    figure,
    outcome.loc[failed].reset_index(),
    f"Misses of {products.METHOD_NAMES[chosen]} on {network}, in the order of the test split.",
)

# %%
false_negatives = outcome[(outcome["outcome"] == "miss") & (outcome["probability"] < 0.5)]
print(
    f"Of {len(misses)} misses, {len(false_negatives)} are films that the network called clean; the others are maps that "
    f"point elsewhere although the network found the object."
)
