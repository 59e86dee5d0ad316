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
# # 6. Referral to a human reader
#
# Can the uncertainty of a network choose the scans that a human reader should review? The sentence below the next cells
# answers in numbers; the table compares three uncertainties with the review of as many scans by p(artifact) alone.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_convergence`, `table_mri_referral`, `table_mri_review`, `table_mri_detection`, `fig_mri_convergence`, `fig_mri_referral`, `fig_mri_review`, `fig_mri_calibration` | notebook 2 | one minute after a run; minutes by hand before it |
#
# The networks are trained with data-ramping. Each predicts every scan many times, each time with other units of its head
# switched off (*Monte Carlo dropout*). The uncertainty is the disagreement of these predictions.
#
# The test set is enriched with artifacts and reweighted to 2 %. Every threshold is fixed on validation.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
from xiqa import recipes
from xiqa.paper import products
from xiqa.paper.mri import convergence, figures, referral, results, review, tables
from xiqa.paper.study import Study

study = Study(profile, mri=mri)
paper = products.begin("06_mri_uncertainty", study)
published, scores = products.published(), results.read(study)
ways = referral.read(scores)

# %%
print(tables.answer(ways, published))

# %% [markdown]
# ## What referral does
#
# Theta is the threshold of p(artifact): the one of the highest Youden's J, as in the paper, or the one of the best F1. Eta is
# the threshold of the uncertainty; it refers 10 % or 25 % of validation (24 % in the paper). Of all artifacts some are
# caught, some are referred and some are missed. Accuracy and F1 of the kept scans rise with every difficult scan that is
# referred, so the table has the shares of all artifacts too.
#
# Review by p refers as many scans as predictive entropy: the scans with p closest to the threshold, or those with the
# highest p. Review by the highest p leaves no flagged scan among the kept ones, so their F1 is 0. AURC and AUGRC are areas
# under the error against the coverage; lower is better.
#
# Mutual information is the part of predictive entropy that the samples disagree about. The paper calls it *epistemic*;
# dropout is in the head only. It calls the disagreement of flips *aleatoric*; flipped scans never occur among the scans.

# %%
paper.table("table_mri_referral", *tables.referral(ways, published))

# %% [markdown]
# The ROC curves describe the kept scans only. They do not include the artifacts among the referred scans.

# %%
paper.figure("fig_mri_referral", *figures.referral(ways))

# %% [markdown]
# ## How many artifacts remain in the data set?
#
# Referral is measured on the kept scans; a database is measured on all scans that stay in it. A reader reviews a share of the
# scans, the highest score first, and removes the artifacts. The reader is assumed to detect every labelled artifact. Random
# order and perfect order follow in closed form.

# %%
orders = review.orders(ways)
paper.table("table_mri_review", *tables.review(ways, orders))

# %%
paper.figure("fig_mri_review", *figures.review(ways, orders))

# %% [markdown]
# ## Which artifacts are detected?
#
# The simulator records the kind of each artifact and the probability that its rater calls the scan an artifact. Some faint
# artifacts were accepted by the rater: to flag such a scan is an error by label only. A network that flags more scans detects
# more artifacts, so the table also has the clean scans that are flagged.

# %%
paper.table("table_mri_detection", *tables.detection(ways))

# %% [markdown]
# ## How many samples are enough?
#
# The samples are split into random halves. The mean of one half gives the reference ROC curve; the first n samples of the other
# half give the curve for n samples. SSE is the squared distance of the two curves over 101 thresholds. NMSE divides it by the
# squared distance of the reference curve from the diagonal.
#
# The spread over halvings is Monte Carlo error only. The choice of the test scans matters more: with 139 artifacts the sampling
# error of an AUC is 0.014, larger than the published rise from .933 to .938.

# %%
mc = scores.samples[scores.primary, "test"]["mc"]
repeats = convergence.halvings(mc, ways.test_set.labels)
paper.table("table_mri_convergence", *tables.convergence(repeats, len(mc), published))

# %%
paper.figure("fig_mri_convergence", *figures.convergence(repeats, published))

# %% [markdown]
# ## Is p(artifact) calibrated?
#
# The figure shows the first seed of each arm of notebook 7. Brier skill is relative to a constant prediction of the
# prevalence; below 0 is worse than that.

# %%
paper.figure("fig_mri_calibration", *figures.calibration(scores, ways))

# %% [markdown]
# ## Numbers for the README

# %%
share = max(recipes.REVIEW_SHARES)
about = f"ramp, mean over {len(ways.networks)} seed(s), reweighted to 2 %"
before = ways.mean([network.keep_all() for network in ways.networks])
paper.value("mri_f1_all", before["f1_kept"][0], f"F1 without referral, {about}")
for name in ("predictive entropy", "mutual information"):
    after, key = ways.mean(ways.ways(referral.YOUDEN, share)[name]), name.split()[0]
    paper.value(f"mri_f1_kept_{key}", after["f1_kept"][0], f"F1 of the kept scans, referral by {name}, {about}")
    paper.value(f"mri_reviewed_{key}", 1 - after["retained"][0], f"share of scans referred by {name}")

# %%
for key, order in (("p", referral.HIGHEST), ("entropy", "predictive entropy")):
    left = review.remaining_values(ways.test_set, orders[order], [0.10])[0, 0]
    paper.value(f"mri_left_{key}", left, f"artifacts that remain after review of 10 % of all scans, ordered by {order}")
