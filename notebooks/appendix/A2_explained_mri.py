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
# # A2. Does the map of an artifact network peak on the artifact?
#
# Only a few kinds of artifact have a place; for these the simulator keeps a mask of the voxels that it changed. The table compares
# the hits of NormGrad with chance, with an untrained network and with baselines that use no network, and where an interval of the
# paired difference contains 0, the map gives no evidence that the network has located the artifact.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_explained`, `fig_mri_saliency` | networks and Monte Carlo samples of notebook 6 | one minute |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
from xiqa.paper import products
from xiqa.paper.appendix.explained_mri import figure, results, tables
from xiqa.paper.study import Study

study = Study(profile, mri=mri)
paper = products.begin("A2_explained_mri", study)
explained = results.read(study)

# %%
paper.table("table_mri_explained", *tables.explained(explained.maps))

# %% [markdown]
# A hit is a peak on a changed voxel. *Energy* is the share of the map's sum that lies on changed voxels. Chance and the last column
# (the expected average precision and energy of a map without information) follow from the volume of the mask. *Hits of trained
# NormGrad minus these* is the paired difference in percentage points on the scans that both score.
#
# ## Single scans
#
# Three planes through the middle of the changed voxels, or through the peak where no mask exists; above the scan, below the map
# over it. These scans have the most extreme probabilities of their kind, so they are no fair sample: the table has all scans.

# %%
paper.figure("fig_mri_saliency", *figure.saliency(explained.records, explained.examples, explained.primary))
