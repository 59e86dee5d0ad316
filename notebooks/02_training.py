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
# comes first: every network that later notebooks explain is trained here, and Table 1 says how well it does on films it
# never saw.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_1_classifiers`, `fig_training` | notebook 1 | minutes a network; nothing where the store has it |
#
# With `recipe` set the notebook trains that one recipe, which is how the runner calls it, once for each. With
# `recipe = None` it gathers all of them.
#
# **No pretrained weights are downloaded by default.** A network that starts from random weights learns nothing from a
# thousand radiographs, so each backbone first learns to name eight kinds of small shapes on noise (the *pretext*), which
# takes the place of ImageNet. `weights = "imagenet"` uses torchvision's weights instead, as the papers did.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext
recipe = None  # the name of one recipe, or None: gather all of them

# %%
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import display

from xiqa import metrics, products, recipes
from xiqa.experiment import Experiment
from xiqa.runner.store import read_frame
from xiqa.synthetic import shapes

study = Experiment(profile, object_cxr, weights)
paper = products.begin("02_training", study)
names = [recipe] if recipe else recipes.recipe_names(profile, weights)

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
# One line an epoch. The weights of the epoch with the best validation AUC are kept.

# %%
entries = {name: study.train(name) for name in names}

# %%
histories = pd.concat(
    [read_frame(entry / "history.csv").assign(recipe=name) for name, entry in entries.items()], ignore_index=True
)
histories["epoch"] += 1
histories[histories["kept"]].set_index("recipe").drop(columns="kept")

# %% [markdown]
# ## Learning curves
#
# For the pretext the AUC is the mean of each kind of shape against all others.

# %%
figure, (losses, areas) = plt.subplots(1, 2, figsize=(9, 3.2))
sns.lineplot(histories, x="epoch", y="train_loss", hue="recipe", ax=losses, marker="o", legend=False)
sns.lineplot(histories, x="epoch", y="val_auc", hue="recipe", ax=areas, marker="o")
losses.set(ylabel="training loss")
areas.set(ylabel="validation AUC")
for ax in (losses, areas):
    ax.xaxis.get_major_locator().set_params(integer=True)
sns.move_legend(areas, "center left", bbox_to_anchor=(1.02, 0.5), title="")
plt.show()

# %% [markdown]
# ## Table 1: test accuracy, AUC and calibration
#
# Accuracy is taken at a probability of one half, with Wilson's interval; AUC with DeLong's. The Brier score and the
# expected calibration error (15 bins) say whether a stated probability can be believed.


# %%
def row(name, entry):
    about = recipes.recipe(profile, name, weights)
    test = read_frame(entry / "predictions.csv").query("split == 'test'")
    first = {"data set": about.dataset, "network": about.network, "seed": about.seed, "start": about.start}
    return first | metrics.classification(test["label"], test["probability"])


classifiers = {name: entry for name, entry in entries.items() if not name.startswith("pretext")}
numbers = pd.DataFrame([row(name, entry) for name, entry in classifiers.items()])
numbers

# %%
if recipe is None:
    percent = products.percent
    table = numbers[["data set", "network", "seed", "start", "images"]].assign(
        **{
            "accuracy %": list(map(percent, numbers["accuracy"], numbers["accuracy_low"], numbers["accuracy_high"])),
            "AUC %": list(map(percent, numbers["auc"], numbers["auc_low"], numbers["auc_high"])),
            "Brier": numbers["brier"].round(3),
            "ECE": numbers["ece"].round(3),
        }
    )
    left_out = [{"data set": n, "start": f"not run: {why}"} for n, why in study.profile.missing.items()]
    display(
        paper.table(
            "table_1_classifiers",
            pd.concat([table, pd.DataFrame(left_out)], ignore_index=True) if left_out else table,
            "Test performance of every classifier that later notebooks explain; intervals are 95 % over images. "
            "Published on the real data: accuracy 87.1 % (Swin transformer), challenge baseline AUC 92.1 %.",
        )
    )

# %%
if recipe is None:
    paper.figure(
        "fig_training",
        figure,
        histories,
        "Training loss and validation AUC by epoch for every recipe of the profile; for the pretext the AUC is the mean of "
        "each kind of shape against the others.",
    )
    for _, r in numbers.iterrows():
        paper.value(f"auc_{r['data set']}_{r['network']}_s{r['seed']}", r["auc"], "test AUC")
    if profile != "smoke":
        primary = numbers[numbers["network"] == study.profile.networks("object_cxr")[0]]
        worst = primary["auc_low"].min()
        sentence = f"the lower bound of every primary classifier's test AUC is above 0.6 (lowest: {worst:.3f})"
        paper.check("primary classifiers learned", worst > 0.6, sentence)

# %%
if len(numbers):
    best = numbers.loc[numbers["auc"].idxmax()]
    print(
        f"The best of {len(numbers)} classifiers, {best['network']} with seed {best['seed']}, reaches an AUC of "
        f"{best['auc']:.3f} [{best['auc_low']:.3f}, {best['auc_high']:.3f}] on {best['images']} test images."
    )
