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
# | `table_mri_convergence`, `table_mri_referral`, `table_mri_selective`, `table_mri_review`, `table_mri_detection`, `table_mri_half_found`, `table_mri_ambiguity`, `table_mri_follows`, `table_mri_shift`, `table_mri_left_out`, `table_mri_explained`, `table_mri_peaks`, `fig_mri_convergence`, `fig_mri_roc`, `fig_mri_referral`, `fig_mri_review`, `fig_mri_udm_dffmr`, `fig_mri_flips`, `fig_mri_calibration`, `fig_mri_saliency` | notebook 2 | two to five minutes |
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
from IPython.display import display

from xiqa import metrics, recipes, uncertainty
from xiqa.metrics import enriched
from xiqa.paper import numbers, products
from xiqa.paper.appendix.explained_mri.figure import FAMILIES, METHOD, choose, draw, explain, title
from xiqa.paper.appendix.explained_mri.observe import PRIMARY
from xiqa.paper.appendix.explained_mri.results import SAMPLES, explained, peaks
from xiqa.paper.appendix.explained_mri.tables import display as maps_table
from xiqa.paper.appendix.explained_mri.tables import lead, peaks_table
from xiqa.paper.appendix.mri_supplement import shift
from xiqa.paper.mri import ambiguity, convergence, detection, figures, referral, review
from xiqa.paper.mri.tables import ALEATORIC, EPISTEMIC, referral_table, reliability, selective_table
from xiqa.paper.study import Experiment
from xiqa.saliency import names

study = Experiment(profile, mri=mri)
paper = products.begin("06_mri_uncertainty", study)
published, percents = products.published(), numbers.percents
seeds, flip_arms = study.runs("ramp"), study.runs("flips")
primary, flip_arm = seeds[0], (flip_arms or seeds)[0]

# %% [markdown]
# ## A hundred answers for every scan
#
# The network trained with data-ramping speaks first. `probability` is the mean over its Monte Carlo samples; predictive
# entropy = expected entropy + mutual information, in nats.

# %%
val, test = (study.answers(primary, split) for split in ("val", "test"))
bench = enriched.Bench(test, recipes.PREVALENCE)
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
halvings = uncertainty.convergence(mc, test["label"], convergence.SIZES)
note = (
    "mean (sd) over random halvings of the samples: Monte Carlo error only. Which scans were tested matters more: with 139 "
    "artifacts the sampling error of an AUC is 0.014, larger than the published trend from .933 to .938"
)
paper.table(
    "table_mri_convergence",
    convergence.convergence_table(halvings, len(mc), published),
    f"ROC curve against the number of Monte Carlo samples, {note}. Published: real data, reference of about 5,000 samples, "
    "thresholds of their SSE not known.",
)

# %%
figure = figures.draw_convergence(figures.summarised(halvings), convergence.published_convergence(published))
plt.show()

# %%
paper.figure(
    "fig_mri_convergence",
    figure,
    figures.summarised(halvings),
    f"AUC and distance to the reference ROC curve against the number of Monte Carlo samples, {note}.",
)

# %%
half = len(mc) // 2
auc, low, high = metrics.auc(bench.labels, test["probability"], test["subject"])
means = {f"{n} sample{'s' * (n > 1)}": mc[:n].mean(axis=0)[:, 1] for n in dict.fromkeys((1, min(10, half), half))}
means[f"reference: the other {len(mc) - half}"] = mc[half:].mean(axis=0)[:, 1]
curves = figures.roc_curves(bench.labels, means)
figure = figures.draw_roc(curves)
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
    "mutual_information": EPISTEMIC,
    "predictive_entropy": "predictive entropy",
    "variance": "variance of samples",
}
ways = [referral.referral(bench, val, test, c, theta, recipes.REVIEW_SHARE, labels[c]) for c in uncertainty.METRICS]
budget = 1 - bench.refer(ways[0].flagged, ways[0].kept)["retained"][0]
none, others = referral.no_referral(test, theta), referral.rivals(bench, test, theta, budget)


# %%
def other_way(said, column, name):
    prefix = column.split("_")[0] + "_" if column.startswith(("flip", "both")) else ""
    own = uncertainty.youden(said["val"]["label"], said["val"][f"{prefix}probability"])
    return referral.referral(bench, said["val"], said["test"], column, own, recipes.REVIEW_SHARE, name)


flipped, ensemble = {}, {}
if flip_arms:
    flipped = {split: study.answers(flip_arm, split, flips=True) for split in ("val", "test")}
    first = f"network trained with flips: {ALEATORIC} (mutual information over eight flips)"
    ways.append(other_way(flipped, "flip_mutual_information", first))
    ways.append(other_way(flipped, "both_mutual_information", "the same network, samples in all eight flips together"))
if len(seeds) > 1:
    ensemble = {split: study.ensemble(seeds, split) for split in ("val", "test")}
    others.append(other_way(ensemble, "mutual_information", f"disagreement of {len(seeds)} networks, dropout off"))

# %%
table = referral_table(bench, [none, *ways, *others])
if not flip_arms:
    reason = study.profile.missing.get("mri-vggnet3d-flips-s0", "no network was trained with flips")
    table = pd.concat([table, pd.DataFrame([{"review by": ALEATORIC, "theta": f"not run: {reason}"}])]).fillna("-")
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
paper.table(
    "table_mri_selective",
    selective_table(bench, [*ways, *others]).round(4),
    f"Error rate against the share that is answered, {primary}, mean of {len(mc)} samples; {int(bench.labels.sum())} "
    f"artifacts among {len(test)} test scans, reweighted to {100 * recipes.PREVALENCE:.0f} %, no intervals. AURC: area under risk against "
    "coverage; excess: above that of a perfect order; AUGRC: share of all scans that are wrong and answered; balanced: with "
    "1 - balanced accuracy as the risk. Ties averaged, lower is better, but for coverage.",
)

# %%
curves = figures.referral_curves(val, test, bench)
rejection = figures.rejection_curves(test, theta, bench)
figure = figures.draw_referral(curves, rejection)
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
curves = figures.flag_curves(val, test, bench, "mutual_information", recipes.REVIEW_SHARE)
points = {}
for way in (none, ways[0]):
    found = bench.refer(way.flagged, way.kept)
    name = "no referral" if way is none else f"{100 * recipes.REVIEW_SHARE:.0f} % of validation"
    points[f"theta of validation, {name}"] = tuple(100 * found[part][0] for part in ("dffmr", "udm"))
figure = figures.draw_flags(curves, points, tuple(100 * published[f"biobank_{p}"]["value"] for p in ("dffmr", "udm")))
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
members = [test, *(study.answers(name, "test") for name in seeds[1:])]
scores = review.orders(test, theta, flips=flipped.get("test"), ensemble=members if len(members) > 1 else None)
paper.table(
    "table_mri_review",
    review.review_table(bench, scores),
    f"Artifacts that remain in the whole data set after a person has looked at a share of all scans, {primary}, mean of {len(mc)} "
    f"samples; {about}. The person is taken to see every labelled artifact.",
)

# %%
curves = review.review_curves(bench, scores)
figure = review.draw_review(curves)
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
        detection.detection(test, flagged, ("all", "family", "contrast", "rater")).assign(of="artifacts found"),
        detection.false_alarms(test, flagged).assign(of="clean scans flagged"),
    ],
    ignore_index=True,
)

# %%
table = detected[["of", "by", "group", "scans", "subjects"]].assign(
    share=list(map(numbers.percent, detected["share"], detected["low"], detected["high"])),
    rater=[numbers.percent(share) for share in detected["rater"]],
)
paper.table(
    "table_mri_detection",
    table.rename(columns={"of": "", "share": "share %", "rater": "raters who object, mean %"}),
    f"Artifacts found, and clean scans flagged, at the threshold of validation (Youden), {primary}, mean of {len(mc)} samples; "
    "95 % intervals over subjects, scans of the enriched test split, not reweighted. Rater: simulated raters who object.",
)

# %%
p = test["probability"].to_numpy()
half = pd.concat([detection.half_found(test, p, theta, by) for by in ("all", "family", "contrast")])
paper.table(
    "table_mri_half_found",
    detection.half_table(half),
    f"How plain an artifact is of which half are found, as the share of simulated raters who object: logistic regression on its "
    f"logit, all test scans that bear an artifact, also those that the rater passed; {primary}, mean of {len(mc)} samples, threshold "
    "of validation; 95 % intervals by bootstrap over subjects. Whoever flags more finds more: false alarms of scans without an "
    "artifact stand beside it.",
)

# %% [markdown]
# ## Eight orientations

# %%
shown = np.load((study.samples(flip_arm, "test", flips=True)) / "flips.npy")[..., 1]
curves = figures.roc_curves(bench.labels, dict(zip(uncertainty.FLIP_NAMES, shown, strict=True)))
figure = figures.draw_roc(curves)
plt.show()

# %% [markdown]
# Samples and flips together: the variance over all answers splits into that over samples within an orientation and that
# between orientations.

# %%
if flipped:
    display(flipped["test"].groupby("label")[["both_within", "both_between"]].mean())

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
for arm in [arm for arm in ("baseline", "primed", "focal", "class_weights", "balanced", "ramp") if study.runs(arm)]:
    said = study.plain(study.runs(arm)[0], "test")["plain"].to_numpy()
    name = arm.replace("_", " ")
    tables[name] = reliability(bench, said)
    errors[name] = {k: numbers.number(v) for k, v in bench.calibrate(said).items()}
figure = figures.draw_calibration(tables)
plt.show()
pd.DataFrame(errors).T

# %%
listed = "; ".join(f"{arm}: ECE {e['ece']}, Brier skill {e['brier_skill']}" for arm, e in errors.items())
paper.figure(
    "fig_mri_calibration",
    figure,
    pd.concat([table.assign(arm=arm) for arm, table in tables.items()], ignore_index=True),
    f"Stated and observed probability of an artifact in 15 equal bins of p, dropout off; {about}. {listed}. Skill is "
    "against always stating the prevalence; below 0 is worse than that.",
)

# %% [markdown]
# ## How good could anyone be?
#
# The simulated rater tosses a coin for every scan, so the labels themselves are uncertain, and how uncertain is known. For
# labels drawn anew nobody beats an observer who knows the rater's probability. And where that probability is near one half,
# expected entropy should be high.

# %%
ceiling = ambiguity.ceiling_table(test, bench.weights, {"network": p})
paper.table(
    "table_mri_ambiguity",
    ceiling,
    f"What an observer reaches who knows with which probability the simulated rater objects, and the network ({primary}, mean of "
    f"{len(mc)} samples): {about}. Drawn anew: expectation over the rater's coin; of this set: "
    "the labels as they fell, artifacts drawn until the rater saw them. Differences are paired.",
)

# %%
follows = ambiguity.follows_table(test)
paper.table(
    "table_mri_follows",
    follows,
    f"Spearman correlation of an uncertainty with the known ambiguity, the binary entropy of the rater's probability, {primary}, "
    f"mean of {len(mc)} samples; test scans at equal weight, {bench.subjects} subjects, 95 % intervals by bootstrap over subjects. "
    "Clean scans without an artifact have no ambiguity, so over all scans p itself follows it: p is a control.",
)

# %% [markdown]
# ## Does it notice what it has never seen?
#
# Mutual information should rise where a network has not been: on scans of another scanner, and on a family of artifacts that
# it never learnt from. Whether p itself rises as much is the control: then the uncertainty only repeats it.

# %%
table, seen_there = shift.not_run("there is no other scanner's set for real data"), ""
if study.stand_in("mri"):
    there = study.answers(primary, "test", other_scanner=True)
    asked = {name: (test, there, column) for column, name in ambiguity.UNCERTAINTIES.items()}
    if flipped:
        flips_there = study.answers(flip_arm, "test", flips=True, other_scanner=True)
        asked["flip disagreement (network trained with flips)"] = (
            flipped["test"],
            flips_there,
            "flip_mutual_information",
        )
    table = shift.shift_table(asked, ambiguity.UNCERTAINTIES["probability"])
    areas = [numbers.percent(*metrics.auc(f["label"], f["probability"], f["subject"])) for f in (test, there)]
    seen_there = (
        f"{int((there['label'] == 0).sum())} clean scans and {int(there['label'].sum())} artifacts of {there['subject'].nunique()} "
        f"other subjects against {int((test['label'] == 0).sum())} and {int(test['label'].sum())} usual ones. "
        f"AUC of p for artifacts, %: {areas[0]} on the usual scanner, {areas[1]} on the other. "
    )
paper.table(
    "table_mri_shift",
    table,
    f"Whether uncertainty rises on another scanner, {primary}: AUROC of its scans against the usual ones at equal label, 0.5 if "
    f"not; 95 % intervals over subjects. {seen_there}p is a control, differences to it are paired: "
    "an uncertainty that rises no more than p says nothing of its own.",
)

# %%
table, family, twins = shift.not_run("no network was trained without a family in this profile"), "some", ()
if study.runs("priming_without"):
    twins = study.runs("priming")[0], study.runs("priming_without")[0]
    family = study.recipe(twins[1]).without[0]  # its kinds follow
    table = shift.left_out_table(*(study.answers(name, "test") for name in twins), family)
paper.table(
    "table_mri_left_out",
    table,
    f"A network trained without {family} artifacts and its twin trained with all ({', '.join(twins) or 'neither'}) on the same test scans, "
    f"labelled artifacts only, {bench.subjects} subjects: AUROC of each score, and its difference (without - all), paired; 95 % "
    "intervals by bootstrap over subjects, one training each. Scans: of the first kind / of the second. Other artifacts against "
    "clean scans show what fewer artifacts in training cost by themselves.",
)

# %% [markdown]
# ## Where does it look?
#
# Only a few kinds of artifact have a place: for these the simulator keeps a mask of the voxels that it changed. Does the
# peak of NormGrad (last four blocks, class *artifact*) lie there more often than chance, than in a network that was never
# trained, and than where the scan itself has its sharpest edge?

# %%
maps = explained(study, seeds)
paper.table(
    "table_mri_explained",
    maps_table(maps),
    f"Maps of the class artifact, {primary.rsplit('-', 1)[0]} ({len(seeds)} seed{'s' * (len(seeds) > 1)}), on all test scans that the "
    "rater calls artifact and whose artifact has a place: hits of the map's peak on the changed voxels; average precision and "
    "energy of the map's voxels (share of its sum that lies on them). Means over subjects, 95 % intervals over subjects and, "
    "where there are several, networks, not adjusted for their number. Chance and the last column follow from the mask's volume. "
    "Scans whose map is constant in any network have no peak and are left out of their row.",
)

# %%
root = study.root("mri", test.loc[test["artifact"] != "", "path"])
rows = test.loc[choose(test, root)]
study.root("mri", rows["path"])
model = study.volume_model(primary)
scans = [explain(model, root, path, study.volumes().shape) for path in rows["path"]]
figure = draw(scans, [title(row, scan) for (_, row), scan in zip(rows.iterrows(), scans, strict=True)])
plt.show()

# %%
where = pd.DataFrame(
    [
        dict(zip("xyz", s.peak, strict=True)) | {"hit": s.hit, "distance_mm": s.distance, "chance": s.chance}
        for s in scans
    ]
)
paper.figure(
    "fig_mri_saliency",
    figure,
    pd.concat([rows[["image", "label", "artifact", "probability"]].reset_index(drop=True), where], axis=1),
    f"{names.METHOD_NAMES[METHOD]} for the class artifact, {primary}: the surest scan of each local kind of artifact "
    f"(of more than {FAMILIES} kinds, those that change least) and the surest clean one. Planes through the middle of what "
    "was changed, or through the peak where no place is known. Outline: voxels that the artifact changed, gaps of up to four voxels closed; below, the map over the "
    f"scan; cross: its maximum, carried to each plane, faint where it lies in another one. {len(scans)} scans chosen for being sure: the table above counts them all.",
)

# %% [markdown]
# Under Monte Carlo dropout the peak moves from sample to sample. Does a peak that moves far tell of a miss, beyond what the
# probability and the mutual information tell already?

# %%
moving = peaks(study, primary, theta)
paper.table(
    "table_mri_peaks",
    peaks_table(moving, theta),
    f"Spread of the peaks (mean distance to their mean, NormGrad scaling of the last block, up to {SAMPLES} samples of dropout) "
    f"and misses, {primary}; 95 % intervals over subjects. First row: every scan with a mask. Second: those that the rater calls "
    "artifact, missed at the threshold of validation; the probability decides it, so nothing can be added. Third: artifacts that "
    "the network calls clean, against as many clean scans that it calls clean. Logistic regression on probability "
    "and mutual information, without and with the spread; AUC for subjects that were not fitted, pooled over five folds: 50 % or "
    "less means that nothing was learned. Two tests, p not adjusted.",
)

# %%
rivals = {
    "an untrained network": ("untrained", PRIMARY),
    "the scan's sharpest edge": ("no network", "gradient_magnitude"),
}
hits = {name: lead(maps, *rival) for name, rival in rivals.items()}
if all(one["images"] > 1 for one in hits.values()):
    said = [
        f"those of {name} {numbers.percent(*(one[k] for k in ('mean', 'low', 'high')))}" for name, one in hits.items()
    ]
    print(f"NormGrad's share of hits minus {', minus '.join(said)} (percentage points).")

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
for order in (review.P_ALONE, "mutual information"):
    left = review.remaining_values(bench, scores[order], [recipes.REVIEW_SHARE])[0, 0]
    meaning = f"artifacts that remain after a person has looked at {100 * recipes.REVIEW_SHARE:.0f} % of all scans, first by {order}"
    paper.value(f"mri_left_{order.split()[0]}", left, meaning)
caught, referred, missed = (percents(found[ways[0]][part]) for part in ("caught", "referred", "missed"))
print(
    f"Referring {100 * budget:.1f} % of the scans by Monte Carlo disagreement takes F1 from {numbers.number(found[none]['f1_kept'])} "
    f"to {numbers.number(found[ways[0]]['f1_kept'])} among what is kept; of all artifacts {caught} % are then caught, {referred} % "
    f"referred and {missed} % missed."
)
