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
# # A3. Does the uncertainty rise on scans of another scanner?
#
# An uncertainty should be higher on scans that differ from the training scans. The table compares scans of another scanner
# with the usual ones; p(artifact) is the control, since an uncertainty that rises no more than p adds no information.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_shift`, `fig_mri_roc`, `fig_mri_flips`, `fig_mri_udm_dffmr`, `fig_mri_confusion`, `fig_mri_learning_rate` | notebooks 2, 6 and 7 | one minute |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
from xiqa.paper import products
from xiqa.paper.appendix.mri_supplement import figures, results, tables
from xiqa.paper.mri import arms as mri_arms
from xiqa.paper.mri import results as mri_results
from xiqa.paper.study import Study

study = Study(profile, mri=mri)
paper = products.begin("A3_mri_supplement", study)
scores, supplement = mri_results.read(study), results.read(study)
arms = mri_arms.read(scores)

# %%
sets = [(scores.answers[name, "test"], other) for name, other in supplement.other_scanner.items()]
paper.table("table_mri_shift", *tables.shift(sets, name=scores.primary))

# %% [markdown]
# Both sets have artifacts, but not the same share of them, so the AUROC is computed at equal label: among clean scans and
# among artifacts. All subjects of the other scanner are different people.
#
# ## ROC curve and number of Monte Carlo samples
#
# Notebook 6 measures how fast the ROC curve converges with the number of Monte Carlo samples. Here are the curves themselves.

# %%
val, test = (scores.answers[scores.primary, split] for split in ("val", "test"))
paper.figure("fig_mri_roc", *figures.roc(test, scores.samples[scores.primary, "test"]["mc"]))

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
way = arms.referred[0][1]
paper.figure("fig_mri_udm_dffmr", *figures.udm_dffmr(arms.test_set, val, test, way, products.published()))

# %% [markdown]
# ## Confusion matrices
#
# The arms of notebook 7 as plain counts of test scans. The last matrix has the scans that referral keeps.

# %%
paper.figure("fig_mri_confusion", *figures.confusion(arms))

# %% [markdown]
# ## Learning rates
#
# The learning rate grows from step to step until the loss is no longer finite (Smith 2017). The triangular cycle of the
# recipes lies below the rate at which the loss begins to rise.

# %%
paper.figure("fig_mri_learning_rate", *figures.learning_rate(supplement.range_test, supplement.rates))
