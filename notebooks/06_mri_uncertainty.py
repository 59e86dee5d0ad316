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
# # 6. Does the network know when it does not know?
#
# A network that finds artifacts in brain scans is asked a hundred times about every scan, each time with other units of its
# head switched off (*Monte Carlo dropout*), or about the scan in all eight orientations. Where the answers disagree, a person
# looks. Does that help, how much work is it, and would simpler rules have done as well?
#
# | makes | needs | takes |
# |---|---|---|
# | `table_mri_convergence`, `table_mri_referral`, `table_mri_review`, `table_mri_detection`, `fig_mri_convergence`, `fig_mri_roc`, `fig_mri_referral`, `fig_mri_review`, `fig_mri_udm_dffmr`, `fig_mri_flips`, `fig_mri_calibration`, `fig_mri_saliency` | notebook 2 | two to four minutes |
#
# **What the names mean here.** Dropout stands in the head only, so what the paper calls *epistemic* uncertainty is "Monte
# Carlo dropout (head) disagreement". Up-down flips never occur among scans, so what it calls *aleatoric* is "flip
# disagreement". **What the numbers mean.** The test set is enriched with artifacts, so that there are enough to measure, and
# weighted back to the 2 % of the field. Every threshold is fixed on validation.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
mri = None  # folder of real brain scans with scans.tsv; None: the embedded ones

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from xiqa import (
    metrics,
    mri_bench,
    mri_figures,
    mri_review,
    mri_saliency,
    mri_severity,
    mri_tables,
    products,
    recipes,
    uncertainty,
)
from xiqa.experiment import Experiment

study = Experiment(profile, mri=mri)
paper = products.begin("06_mri_uncertainty", study)
published, percents = products.published(), mri_tables.percents
trained = {recipes.recipe(profile, name).arm: name for name in study.arms() if recipes.recipe(profile, name).seed == 0}
primary, flip_arm = trained["ramp"], trained.get("flips", trained["ramp"])
volumes = study.volumes()
records = {split: volumes.records(split) for split in ("val", "test")}

# %% [markdown]
# ## A hundred answers for every scan
#
# The network trained with data-ramping speaks first. `probability` is the mean over its Monte Carlo samples; predictive
# entropy = expected entropy + mutual information, in nats.

# %%
val, test = (mri_bench.answers(study.samples(primary, split), records[split]) for split in ("val", "test"))
bench = mri_bench.Bench(test, recipes.PREVALENCE)
about = (
    f"{int(test['label'].sum())} artifacts among {len(test)} test scans of {bench.subjects} subjects, reweighted to "
    f"{100 * recipes.PREVALENCE:.0f} %; 95 % intervals by bootstrap over subjects, for this one training (one seed)"
)
test.groupby("label")[["probability", *uncertainty.METRICS, "expected_entropy"]].mean().round(4)

# %% [markdown]
# ## How many samples are enough?
#
# The samples are halved at random, again and again. The mean of one half draws the reference ROC curve; the first n of the
# other half draw the curve for n samples. SSE is the squared distance of the two over 101 thresholds; NMSE divides it by that
# of the reference from the diagonal.

# %%
mc = np.load(study.samples(primary, "test") / "mc.npy")
halvings = uncertainty.convergence(mc, test["label"], mri_tables.SIZES)
note = (
    "mean (sd) over random halvings of the samples: Monte Carlo error only. Which scans were tested matters more: with 139 "
    "artifacts the sampling error of an AUC is 0.014, larger than the published trend from .933 to .938"
)
paper.table(
    "table_mri_convergence",
    mri_tables.convergence_table(halvings, len(mc), published),
    f"ROC curve against the number of Monte Carlo samples, {note}. Published: real data, reference of about 5,000 samples, "
    "thresholds of their SSE not known.",
)

# %%
figure = mri_figures.draw_convergence(mri_figures.summarised(halvings), mri_tables.published_convergence(published))
plt.show()

# %%
paper.figure(
    "fig_mri_convergence",
    figure,
    mri_figures.summarised(halvings),
    f"AUC and distance to the reference ROC curve against the number of Monte Carlo samples, {note}.",
)

# %%
half = len(mc) // 2
auc, low, high = metrics.auc(bench.labels, test["probability"], test["subject"])
means = {f"{n} sample{'s' * (n > 1)}": mc[:n].mean(axis=0)[:, 1] for n in dict.fromkeys((1, min(10, half), half))}
means[f"reference: the other {len(mc) - half}"] = mc[half:].mean(axis=0)[:, 1]
curves = mri_figures.roc_curves(bench.labels, means)
figure = mri_figures.draw_roc(curves)
plt.show()

# %%
paper.figure(
    "fig_mri_roc",
    figure,
    curves,
    "ROC curve of 1, 10 and half of the Monte Carlo samples against the reference, the mean of the other half; "
    f"{int(test['label'].sum())} artifacts among {len(test)} scans know the AUC itself to about +-{(high - low) / 2:.3f}.",
)

# %% [markdown]
# ## Whom to send to a person?
#
# Theta (Youden's J, as in the paper) and eta (the value that sends 10 % of validation to review) are fixed on validation. Of
# *all* artifacts some are caught, some referred, some missed; what is "kept" looks better the more is taken away, so both
# are shown. The rivals review as many scans: those of the highest p, those nearest to theta, or any.

# %%
theta = uncertainty.youden(val["label"], val["probability"])
labels = {
    "mutual_information": mri_tables.EPISTEMIC,
    "predictive_entropy": "predictive entropy",
    "variance": "variance of samples",
}
ways = [mri_bench.referral(bench, val, test, c, theta, recipes.REVIEW_SHARE, labels[c]) for c in uncertainty.METRICS]
budget = 1 - bench.refer(ways[0].flagged, ways[0].kept)["retained"][0]
none, others = mri_bench.no_referral(test, theta), mri_bench.rivals(bench, test, theta, budget)

# %%
flipped = {}
if "flips" in trained:
    flipped = {s: mri_bench.answers(study.samples(flip_arm, s, flips=True), records[s]) for s in ("val", "test")}
    own = uncertainty.youden(flipped["val"]["label"], flipped["val"]["flip_probability"])
    name = f"network trained with flips: {mri_tables.ALEATORIC} (mutual information over eight flips)"
    ways.append(
        mri_bench.referral(
            bench, flipped["val"], flipped["test"], "flip_mutual_information", own, recipes.REVIEW_SHARE, name
        )
    )
table = mri_tables.referral_table(bench, [none, *ways, *others])
if not flipped:
    reason = study.profile.missing.get("mri-vggnet3d-flips-s0", "no network was trained with flips")
    table = pd.concat(
        [table, pd.DataFrame([{"review by": mri_tables.ALEATORIC, "theta": f"not run: {reason}"}])]
    ).fillna("-")
paper.table(
    "table_mri_referral",
    table,
    f"Referral of uncertain scans, {primary}, mean of {len(mc)} samples; {about}. Caught, referred and missed are shares of all "
    f"artifacts. Rivals review {100 * budget:.1f} % of the test scans, as mutual information does. UDM and DFFMR: share of all "
    "scans that is missed, and that a person looks at (referred or flagged). AUROC u: whether the uncertainty is high where the "
    "decision is wrong, and where the artifacts are. Published (kept "
    f"scans): accuracy {100 * published['mri_accuracy_referral']['value']:.1f} %, F1 {published['mri_f1_referral']['value']:.3f}; "
    f"in their stored validation matrix {100 * published['mri_caught']['value']:.0f} % of the artifacts were caught, the rest "
    "referred or missed.",
)

# %% [markdown]
# Error rates against the share that is answered, ties averaged; *excess* is what a perfect order would save.

# %%
mri_tables.selective_table(bench, [*ways, *others]).set_index("review by").round(4)

# %%
curves = mri_figures.referral_curves(val, test, bench)
rejection = mri_figures.rejection_curves(test, theta, bench)
figure = mri_figures.draw_referral(curves, rejection)
plt.show()

# %%
paper.figure(
    "fig_mri_referral",
    figure,
    pd.concat([curves.assign(part="roc"), rejection.assign(part="rejection")], ignore_index=True),
    "Above: ROC curves of the scans kept at the paper's eta, each metric rescaled to 0..1 on validation. Below: accuracy and F1 "
    f"of the kept scans against the share that is kept, theta {theta:.3g}; the ROC of what is kept says nothing of the artifacts "
    f"among the referred. Shares reweighted to {100 * recipes.PREVALENCE:.0f} %.",
)

# %% [markdown]
# ## The cost in scans to look at
#
# A database of scans pays twice: for every scan that a person has to look at (DFFMR), and for every unusable one that slips
# through (UDM). Each line runs over theta.

# %%
curves = mri_figures.flag_curves(val, test, bench, "mutual_information", recipes.REVIEW_SHARE)
points = {}
for way in (none, ways[0]):
    found = bench.refer(way.flagged, way.kept)
    name = "no referral" if way is none else f"{100 * recipes.REVIEW_SHARE:.0f} % of validation"
    points[f"theta of validation, {name}"] = tuple(100 * found[part][0] for part in ("dffmr", "udm"))
figure = mri_figures.draw_flags(
    curves, points, tuple(100 * published[f"biobank_{p}"]["value"] for p in ("dffmr", "udm"))
)
plt.show()

# %%
paper.figure(
    "fig_mri_udm_dffmr",
    figure,
    curves,
    "Unusable scans missed against scans flagged for manual review, over theta, for several eta on the mutual information "
    f"(rescaled on validation), reweighted to {100 * recipes.PREVALENCE:.0f} %; calling every scan clean misses "
    f"{100 * recipes.PREVALENCE:.0f} %. Dashed: UK Biobank as drawn in the paper's figures.",
)

# %% [markdown]
# ## How many bad scans remain?
#
# Referral is judged on what is kept; a database is judged on what stays in it. A person looks at the N scans that an order
# puts first and takes the bad ones out: how many of all artifacts remain? Random and a perfect order are known exactly.

# %%
scores = mri_review.orders(test, theta, flips=flipped.get("test"))
paper.table(
    "table_mri_review",
    mri_review.review_table(bench, scores),
    f"Artifacts that remain in the whole data set after a person has looked at a share of all scans, {primary}, mean of {len(mc)} "
    f"samples; {about}. The person is taken to see every labelled artifact.",
)

# %%
curves = mri_review.review_curves(bench, scores)
figure = mri_review.draw_review(curves)
plt.show()

# %%
paper.figure(
    "fig_mri_review",
    figure,
    curves,
    f"Artifacts that remain against the share of scans looked at, in several orders, {primary}; reweighted to "
    f"{100 * recipes.PREVALENCE:.0f} %; bands: 95 % over subjects.",
)

# %% [markdown]
# ## Which artifacts are found?
#
# The simulator knows the kind of each artifact and how many of its raters would object. *Half found* is the share of raters
# at which the network finds half of the artifacts; false alarms of clean scans stand below, since whoever flags more finds
# more.

# %%
flagged = test["probability"].to_numpy() >= theta
detected = pd.concat(
    [
        mri_severity.detection(test, flagged, ("all", "family", "contrast", "rater")).assign(of="artifacts found"),
        mri_severity.false_alarms(test, flagged).assign(of="clean scans flagged"),
    ],
    ignore_index=True,
)
half = mri_severity.half_found(test, test["probability"].to_numpy(), theta)
half

# %%
table = detected[["of", "by", "group", "scans", "subjects"]].assign(
    share=list(map(products.percent, detected["share"], detected["low"], detected["high"])),
    rater=[products.percent(share) for share in detected["rater"]],
)
paper.table(
    "table_mri_detection",
    table.rename(columns={"of": "", "share": "share %", "rater": "raters who object, mean %"}),
    f"Artifacts found, and clean scans flagged, at the threshold of validation (Youden), {primary}, mean of {len(mc)} samples; "
    "95 % intervals over subjects, scans of the enriched test split, not reweighted. Rater: simulated raters who object.",
)

# %% [markdown]
# ## Eight orientations

# %%
shown = np.load((study.samples(flip_arm, "test", flips=True)) / "flips.npy")[..., 1]
curves = mri_figures.roc_curves(bench.labels, dict(zip(uncertainty.FLIP_NAMES, shown, strict=True)))
figure = mri_figures.draw_roc(curves)
plt.show()

# %%
how = (
    "trained with random flips"
    if flipped
    else "trained without flips (no network was trained with them in this profile)"
)
paper.figure(
    "fig_mri_flips",
    figure,
    curves,
    f"ROC curve for each orientation of the padded volume, dropout off, {flip_arm}, {how}; x, y, z are the flipped axes.",
)

# %% [markdown]
# ## Can a stated probability be believed?

# %%
tables, errors = {}, {}
for arm in [a for a in ("baseline", "focal", "class_weights", "ramp") if a in trained]:
    said = mri_bench.answers(study.samples(trained[arm], "test"), records["test"])["probability"].to_numpy()
    name = arm.replace("_", " ")
    tables[name] = mri_tables.reliability(bench, said)
    errors[name] = {k: mri_tables.number(v) for k, v in bench.calibrate(said).items()}
figure = mri_figures.draw_calibration(tables)
plt.show()
pd.DataFrame(errors).T

# %%
listed = "; ".join(f"{arm}: ECE {e['ece']}, Brier skill {e['brier_skill']}" for arm, e in errors.items())
paper.figure(
    "fig_mri_calibration",
    figure,
    pd.concat([table.assign(arm=arm) for arm, table in tables.items()], ignore_index=True),
    f"Stated and observed probability of an artifact in 15 equal bins of p, mean of {len(mc)} samples; {about}. {listed}. Skill is "
    "against always stating the prevalence; below 0 is worse than that.",
)

# %% [markdown]
# ## Where does it look?
#
# NormGrad on the last four blocks, for the class *artifact*, on the surest artifact whose place the simulator knows and on
# the surest clean scan. Two scans are anecdotes.

# %%
model, root = study.volume_model(primary), study.root("mri")
rows = test.loc[mri_saliency.choose(test, root)]
study.root("mri", rows["path"])
scans = [mri_saliency.explain(model, root, path, volumes.shape) for path in rows["path"]]
titles = [
    f"{'artifact: ' + (r.artifact_type or 'kind not known') if r.label else 'clean'} ({r.contrast}), p(artifact) = {r.probability:.2f}"
    for r in rows.itertuples()
]
figure = mri_saliency.draw(scans, titles)
plt.show()

# %%
where = pd.DataFrame([dict(zip("xyz", s.peak, strict=True)) | {"hit": s.hit, "chance": s.chance} for s in scans])
paper.figure(
    "fig_mri_saliency",
    figure,
    pd.concat([rows[["image", "label", "artifact", "probability"]].reset_index(drop=True), where], axis=1),
    f"{products.METHOD_NAMES[mri_saliency.METHOD]} for the class artifact, {primary}, planes through the maximum of the map (cross): "
    "the scan, with the outline of what the artifact changed where the simulator knows it, and the map over it. Two scans, "
    "chosen for being sure; nothing is concluded from them.",
)

# %% [markdown]
# ## What it comes to

# %%
found = {way: bench.refer(way.flagged, way.kept) for way in (none, ways[0])}
mean = f"{primary}, mean of {len(mc)} Monte Carlo samples"  # notebook 7 compares the arms with dropout off
paper.value("mri_auc", auc, f"test AUC, {mean}")
paper.value("mri_ap", bench.rank(test["probability"])["ap"][0], f"average precision reweighted to 2 %, {mean}")
paper.value("mri_f1_all", found[none]["f1_kept"][0], f"F1 without referral, reweighted to 2 %, {mean}")
paper.value("mri_f1_kept", found[ways[0]]["f1_kept"][0], "F1 of the kept scans, reweighted to 2 %")
paper.value("mri_reviewed", budget, "share of test scans sent to review")
caught, referred, missed = (percents(found[ways[0]][part]) for part in ("caught", "referred", "missed"))
print(
    f"Referring {100 * budget:.1f} % of the scans by Monte Carlo disagreement takes F1 from {mri_tables.number(found[none]['f1_kept'])} "
    f"to {mri_tables.number(found[ways[0]]['f1_kept'])} among what is kept; of all artifacts {caught} % are then caught, {referred} % "
    f"referred and {missed} % missed."
)
