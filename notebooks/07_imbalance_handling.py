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
# training finds the artifacts? The sentences below the next cells answer in numbers.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_headline`, `table_mri_experiments`, `fig_mri_ramp`, `fig_mri_arms`, `table_claims_mri` | notebook 2 | one minute after a run; minutes by hand before it |
#
# The arms are compared on the same test scans and with the same number of gradient steps: the baseline spends all of them
# from random weights, the others spend part of them on the priming stage (all artifacts and as many clean scans). In the
# profile quick the baseline trains without flips and the others with random flips: validation on other simulated scans chose
# both. The test set is enriched with artifacts and reweighted to 2 %. Thresholds are fixed on validation, reweighted likewise.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
from xiqa.paper import products
from xiqa.paper.mri import arms as mri_arms
from xiqa.paper.mri import baselines, claims, figures_arms, results, tables_arms
from xiqa.paper.study import Study

study = Study(profile, mri=mri)
paper = products.begin("07_imbalance_handling", study)
scores = results.read(study)
arms = mri_arms.read(scores)

# %%
table, caption = claims.claims(scores, arms)
print(tables_arms.answer(arms, table))

# %% [markdown]
# ## The arms beside the published results
#
# Accuracy does not separate the arms: the row that calls every scan clean has a higher accuracy than all of them. Average
# precision and F1 do. The two data sets differ, so single numbers cannot be compared; the order of the arms can.
#
# The referral rows use the uncertainties of notebook 6. The first of each pair describes the kept scans only, as the paper
# does. The second one describes all scans, and a referred scan counts as not flagged.

# %%
paper.table("table_mri_headline", *tables_arms.headline(arms, products.published()))

# %% [markdown]
# The content model is no neural network. Its features of a scan (air, borders, noise, neighbouring planes, evenness, lines of
# the spectrum) were chosen with knowledge of how the simulated artifacts arise. These are the features that it needs most:
# the loss of its average precision on validation when one of them is shuffled.

# %%
baselines.important(scores.features["content"]).round(3)

# %% [markdown]
# ## Data-ramping
#
# Training starts with as many clean scans as artifacts. Clean scans are added epoch by epoch until all are in the set; the
# artifacts are always in. So the clean share grows from one half to that of the whole set.

# %%
paper.figure("fig_mri_ramp", *figures_arms.ramps(scores.histories, scores.recipes, scores.profile))

# %% [markdown]
# ## Every arm
#
# Dropout is off here. Each arm has two thresholds: the one of the highest Youden's J, as in the paper, and the one of the
# best F1. At a prevalence of 2 % Youden's J gains sensitivity at the cost of many false alarms.
#
# Below the trained networks are models that need no further training: networks that learned from as many artifacts as clean
# scans, with their logits shifted to the prevalence of 2 % (ranks stay the same, probabilities change), and the baselines
# without a neural network.
#
# The intervals describe these trained networks. They leave out how much another training would differ.

# %%
paper.table("table_mri_experiments", *tables_arms.experiments(arms))

# %%
paper.figure("fig_mri_arms", *figures_arms.curves(arms))

# %% [markdown]
# ## The claims
#
# Each difference has two statements. *These networks*: the mean over the seeds that were trained, with an interval over
# subjects. It decides the verdict: **supported** if the lower bound is above 0 and the estimate above 0.02, **not supported**
# if the upper bound is below 0.02, **undecided** otherwise, **not testable** where a precondition fails (a network has learned
# if the lower bound of its AUC is at least 0.6). *New trainings*: an interval over seeds, and how many seeds would be needed
# for an interval without 0.
#
# - Claim 1 is decided by F1 at Youden's threshold, as in the paper. *Primed* starts from the same weights but has no ramp;
#   the comparisons with it and with class weights decide nothing.
# - Claim 2 is decided by mutual information at Youden's threshold and the larger budget, as in the paper. The other rows show
#   predictive entropy and variance, the threshold of best F1, the smaller budget, and the review of as many scans with p
#   closest to the threshold. Claim 4 is decided in the same way by the disagreement of flips.
# - Claim 3 has random halvings of the same samples as its units, so its intervals are Monte Carlo error only.

# %%
paper.table("table_claims_mri", table, caption)

# %% [markdown]
# ## Numbers for the README, and a check

# %%
compared = {
    name: tables_arms.means(arms.test_set, arms.trained[name]) for name in claims.COMPARED if name in arms.trained
}
compared |= {arm.name.replace(" ", "_"): tables_arms.means(arms.test_set, [arm]) for arm in arms.baselines}
for name, values in compared.items():
    for metric, (value, _, _) in values.items():
        meaning = f"{metric}, {name.replace('_', ' ')}, mean over seeds, reweighted to 2 %"
        paper.value(f"mri_{metric.lower()}_{name}", value, meaning)

# %%
low = compared["ramp"]["AUC"][1]
if profile != "smoke":
    sentence = f"the lower bound of the ramp's AUC is at least {claims.LEARNED} ({low:.3f})"
    paper.check("the artifact network learned", low >= claims.LEARNED, sentence)
