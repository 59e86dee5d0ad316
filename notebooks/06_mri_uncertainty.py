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
# Can the uncertainty of a network choose the scans that a human reader should review? The table compares three
# uncertainties with baselines that use p(artifact) alone, and with random scans.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_convergence`, `table_mri_referral`, `table_mri_review`, `table_mri_detection`, `fig_mri_convergence`, `fig_mri_referral`, `fig_mri_review`, `fig_mri_calibration` | notebook 2 | half a minute after a run; minutes by hand before it |
#
# The network is trained with data-ramping. It predicts every scan many times, each time with other units of its head switched
# off (*Monte Carlo dropout*). A second network is trained with random flips, where the profile has one, and predicts every scan
# in all eight orientations. The uncertainty is the disagreement of these predictions.
#
# The test set is enriched with artifacts and reweighted to 2 %. Every threshold is fixed on validation.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
from xiqa import recipes
from xiqa.paper import numbers, products
from xiqa.paper.mri import convergence, figures, referral, results, review, tables
from xiqa.paper.study import Study

study = Study(profile, mri=mri)
paper = products.begin("06_mri_uncertainty", study)
published, scores = products.published(), results.read(study)

# %%
ways = referral.read(scores)
mc = scores.samples[scores.primary, "test"]["mc"]
name = f"{scores.primary}, mean of {len(mc)} samples"

# %% [markdown]
# ## The answer: what referral does
#
# Theta is the threshold of p(artifact) with the highest Youden's J, as in the paper. Eta is the threshold of the uncertainty
# that refers 10 % of validation. Of all artifacts some are caught, some are referred and some are missed. Accuracy and F1 of
# the kept scans rise with every difficult scan that is referred, so the table shows both.
#
# The baselines refer as many scans as mutual information does: the scans with the highest p, the scans with p closest to the
# threshold, or random scans. AURC and AUGRC are areas under the error against the coverage; lower is better.
#
# The paper calls the disagreement of Monte Carlo samples *epistemic*; dropout is in the head only. It calls the disagreement of
# flips *aleatoric*; flipped scans never occur among the scans.

# %%
paper.table("table_mri_referral", *tables.referral(ways, published, scores.missing, name))

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
flips = ways.flipped.get("test")
orders = review.orders(ways.test, ways.theta, flips, ways.members)
paper.table("table_mri_review", *tables.review(ways, orders, name))

# %%
paper.figure("fig_mri_review", *figures.review(ways, orders))

# %% [markdown]
# ## Which artifacts are detected?
#
# The simulator records the kind of each artifact and the probability that its rater calls the scan an artifact. Some faint
# artifacts were accepted by the rater: to flag such a scan is an error by label only. A network that flags more scans detects
# more artifacts, so the table also has the clean scans that are flagged.

# %%
paper.table("table_mri_detection", *tables.detection(ways, name))

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
repeats = convergence.halvings(mc, ways.test["label"].to_numpy())
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
test, way = ways.test_set, ways.ways[0]
before, after = (test.refer(w.flagged, w.kept) for w in (ways.none, way))
mean = f"{scores.primary}, mean of {len(mc)} Monte Carlo samples"  # notebook 7 compares the arms with dropout off
ranking = test.rank(ways.test["probability"])
paper.value("mri_auc", ranking["auc"][0], f"test AUC, {mean}")
paper.value("mri_ap", ranking["ap"][0], f"average precision reweighted to 2 %, {mean}")

# %%
paper.value("mri_f1_all", before["f1_kept"][0], f"F1 without referral, reweighted to 2 %, {mean}")
paper.value("mri_f1_kept", after["f1_kept"][0], "F1 of the kept scans, reweighted to 2 %")
paper.value("mri_reviewed", ways.budget, "share of test scans referred for review")
for key, order in (("p", review.HIGHEST_P), ("mutual", "mutual information")):
    left = review.remaining_values(test, orders[order], [recipes.REVIEW_SHARE])[0, 0]
    share = f"review of {100 * recipes.REVIEW_SHARE:.0f} % of all scans, ordered by {order}"
    paper.value(f"mri_left_{key}", left, f"artifacts that remain after {share}")

# %%
caught, referred, missed = (numbers.percents(after[part]) for part in ("caught", "referred", "missed"))
print(
    f"Referral of {100 * ways.budget:.1f} % of the scans by Monte Carlo disagreement changes F1 from "
    f"{numbers.number(before['f1_kept'])} to {numbers.number(after['f1_kept'])} of the kept scans. Of all artifacts "
    f"{caught} % are caught, {referred} % referred and {missed} % missed."
)
