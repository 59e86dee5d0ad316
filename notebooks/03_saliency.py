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
# Before any score, look. The same pictures are explained by every method; the classifier is the primary network of each
# data set, first seed. All maps come from one forward and two backward passes.
#
# | makes | needs | takes |
# |---|---|---|
# | `fig_examples_object_cxr`, `fig_examples_lvot`, `fig_layers`, `fig_smoothing`, `fig_failures` | notebook 2 | one to two minutes |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from xiqa import games, models, pictures, pointing_game, products, recipes, saliency
from xiqa.experiment import Experiment

study = Experiment(profile, object_cxr, lvot=lvot, weights=weights)
paper = products.begin("03_saliency", study)
FIRST = {dataset: (network, study.profile.seeds(dataset, network)[0]) for dataset, network in study.primaries().items()}
METHODS = products.TABLE_ROWS

# %% [markdown]
# ## Which pictures to look at
#
# Not the prettiest ones: half are hits and half are misses of the combined NormGrad map that did best on validation, and
# they are taken in the order of the data set, one frame a patient.


# %%
def outcomes(dataset, method):
    network, seed = FIRST[dataset]
    found = study.observations(dataset, network)
    found = found[(found["seed"] == seed) & (found["method"] == method) & found["smoothed"]]
    return found.drop_duplicates("unit").set_index("image")


def some(outcome):
    hits, misses = (list(outcome.index[outcome["outcome"] == word]) for word in ("hit", "miss"))
    half = study.profile.shown // 2 + study.profile.shown % 2
    return [*hits[:half], *misses[: study.profile.shown - half]] or list(outcome.index[:1])


def view(dataset, images, methods=saliency.ALL):
    data, model = study.data(dataset), study.model(dataset, *FIRST[dataset])
    names = data.records("test")["image"].tolist()
    rows = [names.index(name) for name in images]
    pixels = np.asarray(data.images("test")[rows])
    inputs = models.normalise(torch.from_numpy(pixels))
    maps = saliency.explain(model, inputs, methods, silu="clamp")
    truth = {"truth": data.truth("test", rows), "shapes": [data.shapes("test", row) for row in rows]}
    return SimpleNamespace(images=images, pixels=pixels, inputs=inputs, maps=maps, model=model, **truth)


# %%
chosen = games.speaker(study, "object_cxr")
outcome = outcomes("object_cxr", chosen)
films = view("object_cxr", some(outcome))
hits, misses = ((outcome["outcome"] == word).sum() for word in ("hit", "miss"))
print(f"{chosen}: {hits} hits and {misses} misses among {len(outcome)} films with an object")

# %% [markdown]
# ## Original, annotation, and every method
#
# The cross marks the maximum of the smoothed map, the ring is the tolerance of 15 px around it: a hit if it touches the
# annotation (on films its box). *Grad-CAM* has the grid of the last block and cannot point finer than a cell. *Gradient*
# maps are fine and noisy. *NormGrad, combined* multiplies coarse and fine layers.


# %%
def draw_row(line, seen, r):
    pictures.radiograph(line[0], seen.pixels[r], seen.shapes[r], Path(seen.images[r]).name)
    played = []
    for ax, method in zip(line[1:], METHODS, strict=True):
        one = pointing_game.smooth(seen.maps[method][r : r + 1], **recipes.SMOOTHING)
        game = pointing_game.play(one, seen.truth[r : r + 1], recipes.TOLERANCE).iloc[0]
        about = (seen.shapes[r], (game["row"], game["column"]), recipes.TOLERANCE, game["outcome"])
        pictures.overlay(ax, seen.pixels[r], seen.maps[method][r].numpy(), *about)
        played.append({"image": seen.images[r], "method": method, **game})
    return played


def examples(seen):
    size = (1.25 * (len(METHODS) + 1), 1.35 * len(seen.images))
    figure, axes = plt.subplots(len(seen.images), len(METHODS) + 1, figsize=size, squeeze=False)
    played = [row for r, line in enumerate(axes) for row in draw_row(line, seen, r)]
    for ax, method in zip(axes[0, 1:], METHODS, strict=True):
        name = products.METHOD_NAMES[method].replace(", ", "\n").replace("Guided ", "Guided\n")
        ax.set_title(f"{name}\n{ax.get_title()}", fontsize=6.5)
    plt.show()
    return figure, pd.DataFrame(played)


legend = "cross: maximum of the smoothed map, ring: tolerance of 15 px"
figure, played = examples(films)

# %%
paper.figure(
    "fig_examples_object_cxr",
    figure,
    played,
    f"Films of the test split with their annotation (green) and the map of every method on {FIRST['object_cxr'][0]}, hits "
    f"and misses of {products.METHOD_NAMES[chosen]} alike; {legend}.",
)

# %% [markdown]
# The same for frames of four-chamber cardiac cines, where the network answers whether the left ventricular outflow tract
# is in the picture; the green outline is the tract's mask.

# %%
why = games.why_not(study, "lvot")
if why:
    figure, played = plt.figure(figsize=(6, 1)), pd.DataFrame({"not run": [why]})
    figure.text(0.02, 0.5, f"not run: {why}")
    caption = f"Not run: {why}."
else:
    speaker = games.speaker(study, "lvot", otherwise=chosen)
    figure, played = examples(view("lvot", some(outcomes("lvot", speaker))))
    by = "validation" if study.data("lvot").has_truth("val") else "Object-CXR's validation, for want of masks here"
    caption = (
        f"Frames of the test split, one a patient, with the mask of the outflow tract (green) and the map of every method "
        f"on {FIRST['lvot'][0]}, hits and misses of {products.METHOD_NAMES[speaker]} (chosen on {by}) alike; {legend}."
    )

# %%
paper.figure("fig_examples_lvot", figure, played, caption)

# %% [markdown]
# ## What combining layers does
#
# NormGrad (1 x 1 convolution) read at four depths. Shallow layers see every edge, deep ones know what matters but not
# quite where; their product keeps what all agree on.

# %%
network, method = FIRST["object_cxr"][0], "normgrad_conv1x1_single"
layers = films.model.saliency_layers["combined"]
by_layer = {
    layer: saliency.explain(films.model, films.inputs, method, layers={"single": [layer]})[method] for layer in layers
}
by_layer["product"] = films.maps["normgrad_conv1x1_combined"]
few = range(min(3, len(films.images)))
size = (1.6 * (len(by_layer) + 1), 1.7 * len(few))
figure, axes = plt.subplots(len(few), len(by_layer) + 1, figsize=size, squeeze=False)
for r in few:
    pictures.radiograph(axes[r, 0], films.pixels[r], films.shapes[r], films.images[r])
    for ax, (layer, layer_maps) in zip(axes[r, 1:], by_layer.items(), strict=True):
        pictures.overlay(ax, films.pixels[r], layer_maps[r].numpy(), films.shapes[r], title=layer)
plt.show()

# %%
depth = pd.concat(
    [
        pointing_game.play(layer_maps, films.truth, recipes.TOLERANCE).assign(layer=layer, image=films.images)
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
        one = films.maps[method][:1]
        one = pointing_game.smooth(one, **recipes.SMOOTHING) if smoothed else one
        game = pointing_game.play(one, films.truth[:1], recipes.TOLERANCE).iloc[0]
        title = f"{products.METHOD_NAMES[method]}, {'smoothed' if smoothed else 'as it is'}: {game['outcome']}"
        where = (game["row"], game["column"])
        about = (films.shapes[0], where, recipes.TOLERANCE, title)
        pictures.overlay(axes[row, column], films.pixels[0], one[0].numpy(), *about)
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
misses = list(outcome.index[outcome["outcome"] == "miss"])
failed = misses[: 2 * study.profile.shown] or list(outcome.index[:1])
missed = view("object_cxr", failed, [chosen])
figure, axes = pictures.sheet(columns=min(6, len(failed)), count=len(failed))
for i, (ax, name) in enumerate(zip(axes.flat, failed, strict=False)):
    at = outcome.loc[name]
    title = f"{name}\np(object) = {at['probability']:.2f}"
    about = (missed.shapes[i], (at["row"], at["column"]), recipes.TOLERANCE, title)
    pictures.overlay(ax, missed.pixels[i], missed.maps[chosen][i].numpy(), *about)
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
