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
# # A3. Is the uncertainty epistemic?
#
# An epistemic uncertainty should be higher on scans that differ from the training scans: those of another scanner, and
# those that are no head of the training kind. The table compares the mutual information of the Monte Carlo samples, which
# the paper calls epistemic, with predictive entropy and with p(artifact).
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_shift`, `table_mri_inputs`, `fig_mri_roc`, `fig_mri_flips`, `fig_mri_udm_dffmr`, `fig_mri_confusion`, `fig_mri_learning_rate` | notebooks 2, 6 and 7 | a quarter of an hour |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
from xiqa import recipes
from xiqa.paper import products
from xiqa.paper.appendix.mri_supplement import figures, results, tables
from xiqa.paper.mri import arms as mri_arms
from xiqa.paper.mri import results as mri_results
from xiqa.paper.study import Study

study = Study(profile, mri=mri)
paper = products.begin("A3_mri_supplement", study)
scores, supplement = mri_results.read(study), results.read(study)
arms = mri_arms.read(scores)
network = arms.referrals.first

# %%
paper.table("table_mri_shift", *tables.shift(network.test, supplement.foreign, scores.primary))

# %% [markdown]
# Only clean scans are compared, so the rise is not that of more artifacts. All subjects of the other scanner are different
# people; the foreign volumes are made of the usual test scans.
#
# ## Input and network
#
# What the logarithmic intensity scale and the small network change: the priming stage with the z-scores of the paper, and
# with the network of the paper. `benchmarks/training_step.py` measures the times.

# %%
test = scores.records["test"]
paper.table("table_mri_inputs", *tables.inputs(test, supplement.inputs, supplement.networks, recipes.PREVALENCE))

# %% [markdown]
# ## ROC curve and number of Monte Carlo samples
#
# Notebook 6 measures how fast the ROC curve converges with the number of Monte Carlo samples. Here are the curves themselves.

# %%
paper.figure("fig_mri_roc", *figures.roc(network.test, scores.samples[scores.primary, "test"]["mc"]))

# %% [markdown]
# ## Eight orientations
#
# The paper flips a scan along all axes and takes the disagreement of the eight predictions as *aleatoric* uncertainty. A
# network that was trained without flips has seen one orientation only, so the others are foreign to it.

# %%
labels = arms.test_set.labels
paper.figure("fig_mri_flips", *figures.flips(labels, supplement.flip_samples, supplement.flip_name, supplement.flipped))

# %% [markdown]
# ## Cost in scans to review
#
# A database of scans has two costs: every scan that a person has to review (DFFMR: datasets flagged for manual review), and
# every unusable scan that is missed (UDM: unusable datasets missed). Each curve runs over the threshold theta.

# %%
paper.figure("fig_mri_udm_dffmr", *figures.udm_dffmr(network, products.published()))

# %% [markdown]
# ## Confusion matrices
#
# The arms of notebook 7 as plain counts of test scans. The last matrix has the scans that referral keeps.

# %%
paper.figure("fig_mri_confusion", *figures.confusion(arms))

# %% [markdown]
# ## Learning rates
#
# The learning rate grows from step to step until the loss is no longer finite (Smith 2017). The rates of the recipes lie
# below the rate at which the loss begins to rise.

# %%
paper.figure("fig_mri_learning_rate", *figures.learning_rate(supplement.range_test, supplement.rates))
