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
# # 2. Can the classifiers tell?
#
# A saliency map explains a classifier. If the classifier does not know the answer there is nothing to explain, so this
# comes first: every network that later notebooks explain is trained here, and Table 1 says how well it does on images it
# never saw. The three-dimensional networks of the MRI study are trained here too; what they find is the matter of
# notebooks 6 and 7.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_1_classifiers`, `fig_training`, `fig_mri_training`, `fig_mri_learning_rate` | nothing; the first network of a data set also writes and reads it | minutes a network; nothing where the store has it |
#
# With `recipe` set the notebook trains that one recipe, which is how the runner calls it, once for each. With
# `recipe = None` it gathers all of them.
#
# **No pretrained weights are downloaded by default.** A network that starts from random weights learns nothing from a
# thousand radiographs, so each 2D backbone first learns to name eight kinds of small shapes on noise (the *pretext*), which
# takes the place of ImageNet. `weights = "imagenet"` uses torchvision's weights instead, as the papers did.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
mri = None  # folder of real brain volumes; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext
recipe = None  # the name of one recipe, or None: gather all of them

# %%
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import display

from xiqa import metrics, recipes
from xiqa.paper import numbers as paper_numbers
from xiqa.paper import products
from xiqa.paper.mri import figures
from xiqa.paper.study import Experiment
from xiqa.store.files import read_frame
from xiqa.synthetic import shapes

study = Experiment(profile, object_cxr, lvot=lvot, mri=mri, weights=weights)
paper = products.begin("02_training", study)
names = [recipe] if recipe else list(recipes.training_steps(profile, weights))

# %% [markdown]
# ## The pretext
#
# Eight kinds, any size, angle and contrast, brighter or darker than the noise around them.

# %%
examples, kinds = shapes.draw(64, 64, seed=1)
figure, axes = plt.subplots(1, 8, figsize=(9, 1.5))
for kind, ax in enumerate(axes):
    ax.imshow(examples[kinds == kind][0], vmin=0, vmax=255)
    ax.set(title=shapes.KINDS[kind], xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## Training
#
# One line an epoch. Classifiers of images keep the weights of the epoch with the best validation AUC; the MRI networks
# keep their last, as their authors did.

# %%
entries = {name: study.train(name) for name in names}


# %%
def histories(kind):
    found = [n for n in names if isinstance(recipes.recipe(profile, n, weights), kind)]
    frames = [read_frame(entries[n] / "history.csv").assign(recipe=n) for n in found]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


images = histories((recipes.Pretext, recipes.Classifier))
volumes = histories(recipes.VolumeClassifier)
if len(volumes):
    about = volumes["recipe"].map(lambda name: recipes.recipe(profile, name))
    volumes[["arm", "start"]] = [(each.arm.replace("_", " "), each.start) for each in about]
if len(images):
    images["epoch"] += 1
    display(images[images["kept"]].set_index("recipe").drop(columns="kept"))
if len(volumes):
    display(volumes.groupby("recipe").tail(1).set_index("recipe"))

# %% [markdown]
# ## Learning curves
#
# For the pretext the AUC is the mean of each kind of shape against all others.


# %%
def draw_curves(column, part, title):
    for ax, value, label in zip(column, ("train_loss", "val_auc"), ("training loss", "validation AUC"), strict=True):
        sns.lineplot(part, x="epoch", y=value, hue="network", marker="o", ax=ax, legend=value == "val_auc")
        ax.set(ylabel=label)
        ax.xaxis.get_major_locator().set_params(integer=True)
    column[0].set_title(title)
    sns.move_legend(column[1], "lower right", title="", fontsize=7)


if len(images):
    parts = images["recipe"].str.partition("-")
    kinds = list(images.assign(kind=parts[0], network=parts[2]).groupby("kind", sort=False))
    figure, axes = plt.subplots(2, len(kinds), figsize=(3.6 * len(kinds), 5), squeeze=False, sharex="col")
    for column, (kind, part) in zip(axes.T, kinds, strict=True):
        draw_curves(column, part, kind)
    plt.show()

# %%
if recipe is None:
    paper.figure(
        "fig_training",
        figure,
        images,
        "Training loss and validation AUC by epoch for every 2D recipe of the profile; for the pretext the AUC is the mean "
        "of each kind of shape against the others.",
    )

# %% [markdown]
# ## The MRI networks
#
# Every arm spends the same number of gradient steps; those that start from the priming stage have its steps on top, and in
# the quick profile a lower rate. Loss is not comparable between arms (focal loss is smaller by construction); average precision is: validation
# scans are reweighted to 2 % artifacts, and a network that knows nothing has an average precision of 0.02.

# %%
if len(volumes):
    figure = figures.draw_training(volumes, recipes.PREVALENCE)
    plt.show()

# %%
if recipe is None:
    paper.figure(
        "fig_mri_training",
        figure,
        volumes,
        "Training loss and validation average precision (reweighted to 2 % artifacts) against gradient steps for every arm "
        "of the MRI study, a line a seed; arms that start from the priming stage are drawn after its steps; dotted: a network "
        "that knows nothing.",
    )

# %% [markdown]
# ## Which learning rates?
#
# The rate grows from step to step until the loss explodes. The triangular cycle of the recipes runs below the rate at
# which that begins.

# %%
if recipe is None:
    tested = study.range_test()
    figure, ax = plt.subplots(figsize=(5.5, 3.4))
    ax.plot(tested["learning_rate"], tested["loss"], color="0.75", linewidth=0.8, label="every step")
    ax.plot(tested["learning_rate"], tested["smoothed"], label="smoothed")
    ax.axvspan(*study.profile.volumes[0].rates, color="C2", alpha=0.15, label="the recipes' cycle")
    ax.set(xscale="log", xlabel="learning rate", ylabel="training loss", xlim=(1e-7, None))
    ax.legend()
    plt.show()
    paper.figure(
        "fig_mri_learning_rate",
        figure,
        tested,
        "Learning-rate range test of the MRI network on the priming set; green: the range of the recipes' triangular cycle.",
    )

# %% [markdown]
# ## Table 1: test accuracy, AUC and calibration
#
# Accuracy is taken at a probability of one half; its interval is Wilson's over films, and over patients where several
# frames are a patient's. The interval of the AUC is DeLong's, or its form for patients (Obuchowski). The Brier score and
# the expected calibration error (15 bins) say whether a stated probability can be believed.


# %%
def row(name, entry):
    about = recipes.recipe(profile, name, weights)
    test = read_frame(entry / "predictions.csv").query("split == 'test'")
    first = {"data set": about.dataset, "network": about.network, "seed": about.seed, "start": about.start}
    first["units"] = test["unit"].nunique()
    return first | metrics.classification(test["label"], test["probability"], groups=test["unit"])


trained = [n for n in names if isinstance(recipes.recipe(profile, n, weights), recipes.Classifier)]
numbers = pd.DataFrame([row(name, entries[name]) for name in trained])
numbers

# %%
if recipe is None:
    percent = paper_numbers.percent
    table = numbers[["data set", "network", "seed", "start", "images", "units"]].assign(
        **{
            "accuracy %": list(map(percent, numbers["accuracy"], numbers["accuracy_low"], numbers["accuracy_high"])),
            "AUC %": list(map(percent, numbers["auc"], numbers["auc_low"], numbers["auc_high"])),
            "Brier": numbers["brier"].round(3),
            "ECE": numbers["ece"].round(3),
        }
    )
    missing = {n: why for n, why in study.profile.missing.items() if not n.startswith("mri")}
    left_out = [{"data set": n, "start": f"not run: {why}"} for n, why in missing.items()]
    display(
        paper.table(
            "table_1_classifiers",
            pd.concat([table, pd.DataFrame(left_out)], ignore_index=True) if left_out else table,
            "Test performance of every 2D classifier that later notebooks explain; intervals are 95 % over units (films, "
            "patients). Published on the real data: accuracy 87.1 % (radiographs) and 95.5 % (LVOT; both Swin transformer), "
            "challenge baseline AUC 92.1 %. The MRI networks are judged in notebook 7, where 2 % are artifacts.",
        )
    )

# %%
if recipe is None:
    for _, r in numbers.iterrows():
        paper.value(f"auc_{r['data set']}_{r['network']}_s{r['seed']}", r["auc"], "test AUC")
    primary = {d: numbers.query("`data set` == @d and network == @n") for d, n in study.primaries().items()}
    for dataset, found in primary.items() if profile != "smoke" else ():
        worst = found["auc_low"].min()
        sentence = (
            f"the lower bound of every primary {dataset} classifier's test AUC is above 0.6 (lowest: {worst:.3f})"
        )
        paper.check(f"{dataset} classifiers learned", worst > 0.6, sentence)

# %%
if len(numbers):
    best = numbers.loc[numbers.groupby("data set")["auc"].idxmax()]
    said = [f"{r['network']} with seed {r['seed']} on {r['data set']} ({r['auc']:.3f})" for _, r in best.iterrows()]
    print(f"Of {len(numbers)} classifiers, the best by test AUC: {' and '.join(said)}.")
elif len(volumes):
    last = volumes.iloc[-1]
    print(f"{last['recipe']}: validation AUC {last['val_auc']:.3f}, average precision {last['val_ap']:.3f} at 2 %.")
else:
    print(f"{recipe}: validation AUC {images['val_auc'].max():.3f}.")
