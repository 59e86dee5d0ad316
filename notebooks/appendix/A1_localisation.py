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
# # A1. How well do the maps localise, beyond the pointing game?
#
# The measures disagree on the best method: on the radiographs of the quick profile the method with the best peaks,
# *NormGrad conv3x3, combined*, has neither the highest pixel average precision nor the highest FROC. They agree that
# on the small objects of radiographs maps of the last layer alone are far worse than combined ones.
#
# The pointing game uses one pixel of a map. Here the whole map is compared with the ground truth, the network is tested
# with and without the pixels of high saliency, and the maps are scored as detectors.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_localisation` | notebook 2, and of notebook 5 the maps on validation | three to five minutes |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from xiqa.paper import products
from xiqa.paper.appendix.localisation import results, tables
from xiqa.paper.pointing_game.results import best_normgrad
from xiqa.paper.study import Study

study = Study(profile, object_cxr, lvot=lvot, weights=weights)
paper = products.begin("A1_localisation", study)
localisation = results.read(study)

# %%
paper.table("table_localisation", *tables.localisation(localisation))

# %% [markdown]
# ## Measures of the whole map
#
# - *Energy* is the share of a map inside the annotation (Wang et al. 2020).
# - *Pixel average precision* ranks all pixels by their saliency.
# - *IoU* cuts the map at the threshold with the highest mean IoU on validation.
#
# All three use the annotated boxes (Object-CXR) or masks (LVOT). Chance of the first two is the share of the annotation in
# the picture: compare with the row *Random pixel*. *Best constant point* needs no network either; it is a fixed point, the
# one that hits most training annotations.
#
# ## Further ground truth
#
# An annotation shows where an annotator would look. Simulated radiographs contain more: the drawn *silhouette* of the
# object instead of its box, and other metal without annotation. The *causal mask* needs no annotator: these are the pixels
# in which an image differs from the same image without the cause of its label. Cine frames have no causal mask, since a
# frame without the outflow tract shows another plane.
#
# ## Measures of the network
#
# *Insertion* and *deletion* (Petsiuk et al. 2018) use no ground truth. Pixels are shown, or blurred, in the order of the
# map, and the area under the probability of the predicted class is measured. If the map marks what the network uses,
# insertion is high and deletion is low.
#
# ## FROC
#
# The Object-CXR challenge scores points with a probability. A point is a hit if it lies inside the true shape. The points
# of a map are its local maxima, at most 20; their probability is that of the image times the map there. The points of the
# best NormGrad variant on validation are written in the format of the challenge, with the predictions of the network.

# %%
folder = results.export(study, best_normgrad(study, "object_cxr"))
print(f"Predictions in the format of the Object-CXR challenge: {folder}")
