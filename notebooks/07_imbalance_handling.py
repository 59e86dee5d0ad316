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
# # 7. Learning from 2 % artifacts
#
# Only 2 % of the scans have an artifact, and a network that calls every scan clean has an accuracy of 98 %. Which way of
# training finds the artifacts?
#
# On the embedded data (profile quick) the arms that start from balanced data rank the scans better than the baseline, but
# data-ramping is not better than the same start without a ramp, nor than focal loss. A baseline of hand-made features without
# a neural network is better than all of them.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_headline`, `table_mri_experiments`, `fig_mri_ramp`, `fig_mri_arms`, `table_claims_mri` | notebook 2 | half a minute after a run; minutes by hand before it |
#
# The arms are compared on the same test scans and with the same number of gradient steps. The test set is enriched with
# artifacts and reweighted to 2 %. Thresholds are fixed on validation, which is reweighted in the same way.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
from xiqa import recipes
from xiqa.paper import products
from xiqa.paper.mri import arms as mri_arms
from xiqa.paper.mri import claims, figures_arms, results, tables_arms
from xiqa.paper.study import Study

study = Study(profile, mri=mri)
paper = products.begin("07_imbalance_handling", study)
scores = results.read(study)
arms = mri_arms.read(scores)

# %% [markdown]
# ## The arms beside the published results
#
# Accuracy does not separate the arms: the row that calls every scan clean has a higher accuracy than all of them. Average
# precision and F1 do. The two data sets differ, so single numbers cannot be compared; the order of the arms can.
#
# The referral rows use the Monte Carlo disagreement of notebook 6. The first one describes the kept scans only, as the paper
# does. The second one describes all scans, and a referred scan counts as not flagged.

# %%
paper.table("table_mri_headline", *tables_arms.headline(arms, products.published()))

# %% [markdown]
# ## Data-ramping
#
# Training starts with as many clean scans as artifacts. Clean scans are added epoch by epoch until all are in the set; the
# artifacts are always in. So the clean share grows from one half to 98 %.

# %%
paper.figure("fig_mri_ramp", *figures_arms.ramps(scores.histories, scores.recipes, scores.profile))

# %% [markdown]
# ## Every arm
#
# Dropout is off here. Each arm has two thresholds: the one of the highest Youden's J, as in the paper, and the one of the
# best F1. At a prevalence of 2 % Youden's J gains sensitivity at the cost of many false alarms.
#
# Below the trained networks are models that need no further training:
#
# - networks that learned from as many artifacts as clean scans, with their logits shifted to the prevalence of 2 %. Ranks stay
#   the same, probabilities change;
# - the mean of the seeds of the ramp;
# - baselines without a neural network. The features of the content model (air, borders, noise, neighbouring planes, evenness,
#   lines of the spectrum) were chosen with knowledge of how the simulated artifacts arise.
#
# The intervals describe these trained networks. They leave out how much another training would differ: every published arm,
# and every arm here with one seed, is one training.

# %%
paper.table("table_mri_experiments", *tables_arms.experiments(arms))

# %%
paper.figure("fig_mri_arms", *figures_arms.curves(arms))

# %% [markdown]
# ## The claims
#
# One rule was fixed before the results were seen. A claim is **supported** if the adjusted lower bound of the difference is
# above 0, the estimate is above 0.02, and the sign is the same in every seed. It is **not supported** if the upper bound is
# below 0.02, **undecided** otherwise, and **not testable** where a precondition fails. With 300 images and a seed spread of
# 0.02 the rule calls a true gap of 0 supported in 1.4 % and undecided in 89 % of studies; it calls a gap of 0.05 supported in
# 42 %, one of 0.10 in 94 %.
#
# - Claim 1 is decided by F1, as in the paper. *Primed* starts from the same weights but has no ramp; the comparison with it
#   decides nothing.
# - Claims 2 and 4 are decided by the kept scans against all scans. Where nearly all scans are clean, accuracy can hardly rise
#   by the 0.02 that the rule requires.
# - Claim 3 has random halvings of the same samples as its units, so its intervals are Monte Carlo error only.

# %%
table, caption = claims.claims(scores, arms)
paper.table("table_claims_mri", table, caption)

# %% [markdown]
# ## Numbers for the README, and a check

# %%
compared = {
    name: tables_arms.means(arms.test_set, arms.trained[name]) for name in claims.COMPARED if name in arms.trained
}
for name, values in compared.items():
    seeds = f"reweighted to 2 %, mean of {len(arms.trained[name])} seed(s)"
    paper.value(f"mri_f1_{name}", values["F1"][0], f"F1, {name}, Youden's threshold, {seeds}")
    paper.value(f"mri_ap_{name}", values["AP"][0], f"average precision, {name}, {seeds}")

# %%
for arm, name in ((arms.baselines[0], "histogram"), (arms.baselines[-1], "content")):
    meaning = f"average precision, {arm.name} (no neural network), reweighted to 2 %"
    paper.value(f"mri_ap_{name}", tables_arms.means(arms.test_set, [arm])["AP"][0], meaning)

# %%
low = compared["ramp"]["AP"][1]
if profile != "smoke":
    sentence = f"the lower bound of the ramp's average precision is above three times the prevalence ({low:.3f})"
    paper.check("the artifact network learned", low > 3 * recipes.PREVALENCE, sentence)

# %%
verdicts = table.drop_duplicates("claim").set_index("claim")["verdict on the claim"]
print("; ".join(f"claim {claim}: {verdict}" for claim, verdict in verdicts.items()) + ".")
