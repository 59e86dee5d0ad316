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
save_maps = None  # train, val or test: keep the map of every image of that split; None: of none

# %%
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib_inline.backend_inline import set_matplotlib_formats

from xiqa import models, pictures, pointing_game, recipes, saliency
from xiqa.paper import products, saved_maps
from xiqa.paper.pointing_game import game as pointing_game_game
from xiqa.paper.pointing_game.game import why_not
from xiqa.paper.study import Experiment
from xiqa.saliency.names import METHOD_NAMES, TABLE_ROWS

study = Experiment(profile, object_cxr, lvot=lvot, weights=weights)
paper = products.begin("03_saliency", study)
FIRST = {dataset: (network, study.profile.seeds(dataset, network)[0]) for dataset, network in study.primaries().items()}
METHODS = TABLE_ROWS
set_matplotlib_formats("jpeg", pil_kwargs={"quality": 85})  # as shown here; the figures' files are PNG

# %% [markdown]
# ## Which pictures to look at
#
# Not the prettiest ones: half are hits and half are misses (if there are so many) of the combined NormGrad map that did
# best on validation, and they are taken in the order of the data set, one frame a patient.


# %%
def outcomes(dataset, method):
    network, seed = FIRST[dataset]
    found = study.observations(dataset, network)
    found = found[(found["seed"] == seed) & (found["method"] == method) & found["smoothed"]]
    return found.drop_duplicates("unit").set_index("image")


def some(outcome, count):
    hits, misses = (list(outcome.index[outcome["outcome"] == word]) for word in ("hit", "miss"))
    misses = misses[: max(count // 2, count - len(hits))]
    return [*hits[: count - len(misses)], *misses] or list(outcome.index[:1])


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
chosen = pointing_game_game.speaker(study, "object_cxr")
outcome = outcomes("object_cxr", chosen)
films = view("object_cxr", some(outcome, study.profile.shown))
hits, misses = ((outcome["outcome"] == word).sum() for word in ("hit", "miss"))
print(f"{chosen}: {hits} hits and {misses} misses among {len(outcome)} films with an object")

# %% [markdown]
# ## Original, annotation, and every method
#
# First look at the bare picture and find the object yourself, then at the annotation (green), then at the maps: the
# brighter, the more a method says that the network's answer hung on this place. The cross marks the maximum of the
# smoothed map, the ring is the tolerance of 15 px around it: a hit if it touches the annotation (on films its box).
# *Grad-CAM* has the grid of the last block and cannot point finer than a cell. *Gradient* maps are fine and noisy.
# *NormGrad, combined* multiplies coarse and fine layers.


# %%
VERDICT = {"hit": "#00753a", "miss": "#b3261e"}


def draw_maps(line, seen, r, maps):
    played = []
    for ax, (name, one) in zip(line, maps.items(), strict=True):
        smoothed = pointing_game.smooth(one[r : r + 1], **recipes.SMOOTHING)
        game = pointing_game.play(smoothed, seen.truth[r : r + 1], recipes.TOLERANCE).iloc[0]
        about = (seen.shapes[r], (game["row"], game["column"]), recipes.TOLERANCE, game["outcome"])
        pictures.overlay(ax, seen.pixels[r], one[r].numpy(), *about)
        ax.title.set_color(VERDICT.get(game["outcome"], "black"))
        played.append({"image": seen.images[r], "map": name, **game})
    return played


def draw_row(line, seen, r):
    pictures.radiograph(line[0], seen.pixels[r], title=Path(seen.images[r]).name)
    pictures.radiograph(line[1], seen.pixels[r], seen.shapes[r])
    return draw_maps(line[2:], seen, r, {method: seen.maps[method] for method in METHODS})


def panels(rows, columns, side):
    size = (side * columns, (side + 0.16) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.02, wspace=0, hspace=0)
    return figure, axes


def examples(seen):
    figure, axes = panels(len(seen.images), 2 + len(METHODS), side=1.3)
    played = [row for r, line in enumerate(axes) for row in draw_row(line, seen, r)]
    names = ["annotation", *(METHOD_NAMES[method].replace(", ", "\n") for method in METHODS)]
    for ax, name in zip(axes[0, 1:], names, strict=True):
        name = name.replace("Guided ", "Guided\n").replace("Input x ", "Input x\n")
        ax.set_title(f"{name}\n{ax.get_title()}".strip(), fontsize=7.5)
    plt.show()
    return figure, pd.DataFrame(played).rename(columns={"map": "method"})


legend = "cross: maximum of the smoothed map, ring: tolerance of 15 px"
figure, played = examples(films)

# %%
paper.figure(
    "fig_examples_object_cxr",
    figure,
    played,
    f"Films of the test split, their annotation (green) and the map of every method on {FIRST['object_cxr'][0]}, hits "
    f"of {METHOD_NAMES[chosen]} first, then its misses; {legend}.",
)

# %% [markdown]
# The same for frames of four-chamber cardiac cines, where the network answers whether the left ventricular outflow tract
# is in the picture; the green outline is the tract's mask.

# %%
why = why_not(study, "lvot")
if why:
    figure, played = plt.figure(figsize=(6, 1)), pd.DataFrame({"not run": [why]})
    figure.text(0.02, 0.5, f"not run: {why}")
    caption = f"Not run: {why}."
else:
    speaker = pointing_game_game.speaker(study, "lvot", otherwise=chosen)
    lvot_outcome = outcomes("lvot", speaker)
    figure, played = examples(view("lvot", some(lvot_outcome, study.profile.shown)))
    by = "validation" if study.data("lvot").has_truth("val") else "Object-CXR's validation, for want of masks here"
    caption = (
        f"Frames of the test split, one a patient, the mask of the outflow tract (green) and the map of every method "
        f"on {FIRST['lvot'][0]}, hits of {METHOD_NAMES[speaker]} (chosen on {by}) first, then its misses, if "
        f"any; {legend}."
    )

# %%
paper.figure("fig_examples_lvot", figure, played, caption)

# %% [markdown]
# ## What combining layers does
#
# The variant that speaks for NormGrad, read at every depth, hits and misses of the product alike. Follow a row: the
# first layer is fine and lights up at every small bright thing, the last ones are a few cells across and know little
# more than the region. A place has to be bright in *all* of them to stay bright in the product, which is why it works:
# each layer strikes out what the others got wrong. And one dark factor is enough to lose the object, which is why it
# fails: either no layer saw it, or the shallow ones did and the deep ones, with no less weight, pull elsewhere. Grad-CAM
# can be multiplied in the same way; it sums over channels, with their signs, before it looks at the place.


# %%
def by_layer(seen, stem):
    single = "gradcam" if stem == "gradcam" else f"{stem}_single"
    read = partial(saliency.explain, seen.model, seen.inputs, single)
    maps = {layer: read(layers={"single": [layer]})[single] for layer in seen.model.saliency_layers["combined"]}
    return maps | {"product": seen.maps[f"{stem}_combined"]}


def layered(dataset, found, method, others=()):
    stems = [method.rsplit("_", 1)[0], *others]
    seen = view(dataset, some(found, 4), [f"{stem}_combined" for stem in stems])
    rows = [(dataset, seen, r, stems[0], by_layer(seen, stems[0])) for r in range(len(seen.images))]
    return rows + [(dataset, seen, 0, stem, by_layer(seen, stem)) for stem in others]


def draw_layers(line, dataset, seen, r, stem, maps):
    played = draw_maps(line[1 : len(maps) + 1], seen, r, maps)
    name = METHOD_NAMES[f"{stem}_combined"].removesuffix(", combined")
    about = f"{Path(seen.images[r]).name}: {played[-1]['outcome']}\n{name}"
    pictures.radiograph(line[0], seen.pixels[r], seen.shapes[r], about)
    for ax, layer in zip(line[1:], maps, strict=False):
        ax.set_title(f"{layer}\n{ax.get_title()}", fontsize=8)
    return [{"dataset": dataset, "method": stem, **row} for row in played]


# %%
rows = layered("object_cxr", outcome, chosen, others=["gradcam"])
rows += [] if why else layered("lvot", lvot_outcome, speaker)
figure, axes = panels(len(rows), 1 + max(len(row[-1]) for row in rows), side=1.5)
for ax in axes.flat:
    ax.set_axis_off()
depth = pd.DataFrame([each for line, row in zip(axes, rows, strict=True) for each in draw_layers(line, *row)])
depth = depth.rename(columns={"map": "layer"})
plt.show()

# %%
paper.figure(
    "fig_layers",
    figure,
    depth,
    f"NormGrad layer by layer on {' and '.join(dict.fromkeys(FIRST[row[0]][0] for row in rows))}, and the product of the "
    f"layers; the product's hits come first, then its misses. One film also by Grad-CAM. Annotation in green; {legend}.",
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
        title = f"{METHOD_NAMES[method]}, {'smoothed' if smoothed else 'as it is'}: {game['outcome']}"
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
    f"Misses of {METHOD_NAMES[chosen]} on {FIRST['object_cxr'][0]}, in the order of the test split.",
)

# %%
for dataset in study.primaries() if save_maps else ():
    saved_maps.save(study, dataset, save_maps)

# %%
false_negatives = outcome[(outcome["outcome"] == "miss") & (outcome["probability"] < 0.5)]
print(
    f"Of {len(misses)} misses, {len(false_negatives)} are films that the network called clean; the others are maps that "
    f"point elsewhere although the network found the object."
)
