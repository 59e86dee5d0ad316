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
# # 3. What do the maps show?
#
# Hits and misses look alike at first sight: a map may be bright in one place and still miss the object. Most misses of the
# best NormGrad map have one of two reasons: the network predicts the wrong class, or one of the layers is dark where the
# object lies.
#
# | makes | needs | takes |
# |---|---|---|
# | `fig_examples_object_cxr`, `fig_examples_lvot`, `fig_layers` | notebook 2 | half a minute after a run; minutes by hand before it |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from xiqa.paper import products
from xiqa.paper.pointing_game import figures, results, shown
from xiqa.paper.study import Study

study = Study(profile, object_cxr, lvot=lvot, weights=weights)
paper = products.begin("03_saliency", study)

# %% [markdown]
# ## Radiographs
#
# The network is the primary network of the data set, first seed, and the class explained is the one that it predicts. The
# images are taken in the order of the test split: half of them hits and half misses, if there are so many, of the combined
# NormGrad map with the highest score on validation.
#
# The first column is the bare picture and the second has the annotation in green. Then follow the maps. The cross marks the
# maximum of the smoothed map, and the ring is the tolerance around it: the map hits if the ring touches the annotation.
# *Grad-CAM* has the grid of the last block and cannot be finer than a cell. *Gradient* maps are fine and noisy. *NormGrad,
# combined* multiplies coarse and fine layers.

# %%
method = results.best_normgrad(study, "object_cxr")
films = shown.examples(study, "object_cxr", method)
paper.figure("fig_examples_object_cxr", *figures.examples(films))

# %% [markdown]
# Why does the map miss? An image that the network predicts as negative is explained for the *negative* class, as in the
# papers, and such a map has no reason to show the object. The other misses have the right class and the wrong place.

# %%
shown.outcomes(study, "object_cxr", method).apply(shown.reason, axis=1).value_counts().rename("images").to_frame()

# %% [markdown]
# ## Cardiac cine frames
#
# Here the network predicts whether the left ventricular outflow tract is in the picture. The green outline is the mask of
# the tract, and there is one frame a patient.

# %%
reason = results.reason_not_possible(study, "lvot")
lvot_method = None if reason else results.best_normgrad(study, "lvot", otherwise=method)
drawn = figures.not_run(reason) if reason else figures.examples(shown.examples(study, "lvot", lvot_method))
paper.figure("fig_examples_lvot", *drawn)

# %% [markdown]
# ## Layer by layer
#
# A combined map is the product of the maps of several layers, each scaled to [0, 1]. The first layer is fine and bright at
# many small structures. The last layers have a few cells and show a region. A place must be bright in *all* layers to stay
# bright in the product, and so each layer removes what is wrong in the others. But one dark layer is enough to lose the
# object. Grad-CAM can be multiplied in the same way; it sums over the channels, with their signs, before the maximum is
# taken.

# %%
parts = [shown.layers(study, "object_cxr", method), shown.layers(study, "object_cxr", method, "gradcam")]
parts += [] if reason else [shown.layers(study, "lvot", lvot_method)]
paper.figure("fig_layers", *figures.layers(parts))
