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
# On cine frames no map of a network without training is clearly more similar to the trained map than maps of other images
# are (quick profile). On radiographs some are (*Input x Gradient*, *Guided Backprop*, *NormGrad* conv1x1, combined),
# depending on the similarity. Some verdicts on the claims of the papers change with the published code, which
# differs in places from the methods that it names.
#
# | makes | needs | takes |
# |---|---|---|
# | `fig_randomisation`, `table_randomisation`, `table_published_vs_corrected` | notebook 2 | seconds after a run; ten minutes by hand before it |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from IPython.display import display

from xiqa import recipes
from xiqa.paper import products
from xiqa.paper.pointing_game import results as pointing_game_results
from xiqa.paper.pointing_game import tables as pointing_game_tables
from xiqa.paper.sanity_checks import figures, results, tables
from xiqa.paper.study import Study

study = Study(profile, object_cxr, lvot=lvot, weights=weights)
paper = products.begin("04_sanity_checks", study)

# %% [markdown]
# ## Maps along the cascade
#
# Adebayo et al. (2018) take a trained network and draw its blocks anew, from the head downwards, until nothing that was
# learned is left. At each step the map of the *same image* is compared with the map of the trained network. A map that
# explains what was learned must change; a map that stays shows the image. An edge detector, for example, needs no
# training at all.
#
# We randomise the first trained network of each data set and explain images of its test split that show an object, one a
# patient. A block that is drawn anew gets the parameters and batch-normalisation statistics of a new network. The class
# explained is always the one that the trained network predicted; otherwise two things would change at once.
#
# Three similarities are shown, since each has a blind spot. *Spearman* compares the order of all pixels. *SSIM* compares
# local patterns of maps scaled to their own range; most of a sparse map is flat, and two flat maps are similar. *HOG*
# compares edges. To the right of each curve stand two marks. *Other image* is the similarity to the trained network's map
# of another image: it does not depend on this image. *Retrained* is the similarity to the map of the same network trained
# with another seed: both networks learned the task. Where *retrained* is below *other image*, a map depends more on the
# network than on the image.

# %%
checks = results.read(study)
paper.figure("fig_randomisation", *figures.randomisation(checks))

# %% [markdown]
# One flat line follows from algebra. After global average pooling the gradient is the same at every position of the last
# block. So *NormGrad, single* with a 1 x 1 or 3 x 3 convolution is the norm of the activations times a constant: it
# depends neither on the head nor on the class.
#
# The same maps as pictures, for one image of each data set: the trained network, then the head drawn anew, then the head
# and the last block, and so on; on the right the network trained with another seed.

# %%
for label in checks.cascades:
    display(figures.cascade(checks, label))

# %% [markdown]
# ## The same as a table
#
# *All random - other image* is paired by image. Above 0, the map of a network without training is more similar to the
# trained one's map than maps of other images are: what stays is the image. Below 0, the new parameters change the map
# more than another image does. The parameters are drawn once, so the intervals are over images and hold for this draw.

# %%
paper.table("table_randomisation", *tables.randomisation(checks))

# %%
display(tables.summary(checks))

# %% [markdown]
# The randomised networks of the papers are other ones. *FR* has fresh weights everywhere, *SR* a pretrained backbone and a
# fresh head; neither learned the task. Their maps have no trained counterpart, so only their scores can be compared:
# tables 3 and 4 of notebook 5. The cascade ends where FR begins.
#
# ## Published code and corrected code
#
# The code of the authors differs in places from the methods that it names. Each difference was found in their code and
# rebuilt (`xiqa/saliency/published.py`), so that it can be switched on alone. How would the verdicts on the papers'
# claims change if our code had only this one? The published code explains the class that a network predicts, for
# untrained networks too. The NormGrad variant is the one that the corrected code chose on validation.

# %%
games, missing = pointing_game_results.read(study)
paper.table("table_published_vs_corrected", *pointing_game_tables.published_vs_corrected(games, recipes.DELTA, missing))
