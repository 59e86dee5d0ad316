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
# # 5. Do the maps point at the object?
#
# On the simulated data of the committed run the maps of trained networks point at the object far more often than chance,
# and NormGrad with several layers combined has the highest share of hits on both data sets. Its lead over Guided Grad-CAM
# and Guided Backprop depends on the tolerance, as the first figure shows. Of the papers' five claims one holds on both data
# sets: maps of trained networks score above those of untrained ones. On LVOT a fixed point without a network hits 91.7 %;
# only NormGrad conv3x3, combined (95.0 %) scores higher, and its interval contains 91.7 %.
#
# | makes | needs | takes |
# |---|---|---|
# | `fig_tolerance`, `table_2_smoothing`, `table_3_lvot`, `table_4_object_cxr`, `fig_consistency`, `table_5_architectures`, `midl_table_2`, `table_claims_saliency` | notebook 2 | seconds after a run; fifteen minutes by hand before it |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from xiqa import recipes
from xiqa.paper import products
from xiqa.paper.pointing_game import claims, figures, results, tables
from xiqa.paper.study import Study

study = Study(profile, object_cxr, lvot=lvot, weights=weights)
paper = products.begin("05_pointing_game", study)

# %% [markdown]
# ## The pointing game
#
# The *pointing game* looks at the maximum of a map. The map hits if its maximum lies on the object, or closer to it than
# the *tolerance*. Only images whose ground truth shows the object are counted. A map that is constant has no maximum: it is
# *degenerate*, neither hit nor miss, and it is counted apart.
#
# We explain every method on radiographs with foreign objects (Object-CXR) and on cardiac cine frames that show the left
# ventricular outflow tract (LVOT). Frames of one patient are not independent. So the frames of a patient are averaged
# first, and every interval is over patients.
#
# NormGrad has eight variants, and the other methods have one or two. To compare fairly, one variant stands for NormGrad: the
# one with the highest score on the validation split.

# %%
games, missing = results.read(study)
for game in games.values():
    print(f"{game.label}: {game.network}, {game.trained['image'].nunique()} images, {game.best_normgrad}")
for dataset, reason in missing.items():
    print(f"{dataset}: not run: {reason}")

# %% [markdown]
# ## Every tolerance
#
# The papers use 15 px at 600 px and at 224 px alike; that is about half a cell of the last layer. A single tolerance hides
# much, so the share of hits is drawn over the tolerance. Thin lines are single trainings.

# %%
paper.figure("fig_tolerance", *figures.tolerance(games))

# %% [markdown]
# ## Chance, grid ceiling and baselines
#
# *Chance* is the share of the picture that counts as a hit. The *grid ceiling* is the share of hits of the best possible
# map on the grid of a layer. A layer of 5 x 5 cells has its maximum in the centre of a cell, and that may be too far from
# the object. Where the ceiling of the last layer is below 0.9, a comparison of methods would measure the grid; the papers'
# claims are then *not testable at this resolution*.

# %%
tables.ceilings(games)

# %% [markdown]
# *Baselines* are maps that do not depend on a network. The outflow tract has its usual place, so the best constant point,
# fitted on training masks, is a strong baseline there. A method with a lower score has not shown that its maps depend on
# the picture.

# %%
tables.baselines(games)

# %% [markdown]
# ## Table 2: smoothing
#
# The papers smooth each map with a Gaussian of one pixel before its maximum is taken. A single bright pixel then counts
# less than a bright region. The table has the network with the best validation AUC.

# %%
paper.table("table_2_smoothing", *tables.smoothing(games, missing))

# %% [markdown]
# ## Tables 3 and 4: untrained, pretrained, trained
#
# A map that shows what the network learned must be better on a trained network than on an untrained one. The papers have
# three states:
#
# - *FR* (fully random): every weight is drawn at random.
# - *SR* (semi-random): the backbone is pretrained, the head is untrained. By default no ImageNet weights are downloaded, and
#   the backbone learned a simpler task instead: to name small shapes, or random textures. It is called SR\* and cannot be
#   compared with the published SR.
# - *Repeated*: trained on the task with several seeds.
#
# The class that an untrained network predicts is arbitrary. So both classes are explained, for several heads, and averaged.
# The last columns have the maps of the published program, with its defects (notebook 4). The rows below the methods are the
# baselines and the value that the papers print.

# %%
paper.table("table_3_lvot", *tables.states(games, missing, "lvot"))

# %%
paper.table("table_4_object_cxr", *tables.states(games, missing, "object_cxr"))

# %% [markdown]
# Means hide how much single networks differ. In the next figure every point is one network.

# %%
paper.figure("fig_consistency", *figures.consistency(games))

# %% [markdown]
# ## Table 5: another architecture
#
# *DoM\** is the absolute difference of the mean scores of two networks on the same images. It is our definition, since the
# authors' formula could not be verified. DoM\* compares scores and not maps, and a constant map has a DoM\* of 0, so it
# stands beside the scores. Two networks of the same true score differ by up to 0.029 in 95 % of studies of 500 images.
#
# Equal scores are not equal hits. *Kappa* is the agreement of two networks on which images are hit, beyond the agreement
# that their scores alone would give. It is low where nearly all images are hit.

# %%
paper.table("table_5_architectures", *tables.architectures(games, missing))

# %% [markdown]
# ## MIDL Table 2: validation and test
#
# The MIDL paper has a tolerance of 25 px, does not smooth, and has two more rows for the bias variant. The bias map of the
# last layer is constant in space because of global average pooling. So *NormGrad bias, single* has no maximum: all its maps
# are degenerate.

# %%
paper.table("midl_table_2", *tables.midl(games, missing))

# %% [markdown]
# ## The claims
#
# One rule, fixed beforehand, decides on every difference:
#
# - **supported**: the adjusted lower bound is above 0, the estimate above 0.02, and the sign the same for every seed;
# - **not supported**: the upper bound is below 0.02;
# - **undecided**: otherwise;
# - **not testable**: a precondition fails (the classifier did not learn, or the grid is too coarse).
#
# Claim 5 is a claim of equality and needs two one-sided tests. Claim 4 is undecided where the two pretexts disagree. In
# simulated studies with 300 images and a spread of 0.02 over seeds, a true difference of 0.05 is supported in 42 % and one
# of 0.10 in 94 %; without any difference, 1.4 % are supported and 89 % undecided.

# %%
table, caption = claims.table_claims_saliency(games, missing, recipes.DELTA)
paper.table("table_claims_saliency", table, caption)

# %% [markdown]
# The verdicts on the whole claims, by the corrected and by the published program:

# %%
claims.verdicts(table)

# %%
for name, value, meaning in tables.values(games):
    paper.value(name, value, meaning)
