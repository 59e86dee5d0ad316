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
# # 2. How good are the classifiers?
#
# A saliency map explains a classifier, so the classifier must have learned the task first. Table 1 gives the test performance of
# every 2D network that later notebooks explain; notebooks 6 and 7 measure the networks of the MRI study.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_1_classifiers`, `fig_training`, `fig_mri_training` | nothing; opened by hand it trains the networks that are missing | seconds after a run; minutes a network by hand before it |

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
mri = None  # folder of real brain volumes; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from xiqa import recipes
from xiqa.paper import products, trainings
from xiqa.paper.mri import figures_arms
from xiqa.paper.study import Study

study = Study(profile, object_cxr, lvot=lvot, mri=mri, weights=weights)
paper = products.begin("02_training", study)
trained = trainings.read(study)
performance = trainings.performance(trained)

# %%
paper.table("table_1_classifiers", *trainings.classifiers(performance, trained.missing))

# %% [markdown]
# Accuracy is taken at a probability of one half. Its interval is Wilson's over films, and over patients where a patient has
# several frames. The interval of the AUC is DeLong's, or its form for clustered data (Obuchowski). The Brier score and the expected
# calibration error (ECE, 15 bins) measure how well a probability agrees with the frequency of the class.

# %%
for row in performance.to_dict("records"):
    paper.value(f"auc_{row['data set']}_{row['network']}_s{row['seed']}", row["auc"], "test AUC")
for dataset, lowest in trainings.learned(performance, trained.primaries).items() if profile != "smoke" else ():
    sentence = f"the lower bound of every primary {dataset} classifier's test AUC is above {trainings.LEARNED} (lowest: {lowest:.3f})"
    paper.check(f"{dataset} classifiers learned", lowest > trainings.LEARNED, sentence)

# %% [markdown]
# ## Learning curves of the classifiers of images
#
# **No pretrained weights are downloaded by default.** A network that starts from random weights learns nothing from a thousand
# radiographs. So each 2D backbone first learns to classify eight kinds of small shapes on noise (the *pretext*), which takes the
# place of ImageNet. `weights = "imagenet"` uses torchvision's weights instead, as the papers did. Classifiers keep the weights of
# the epoch with the best validation AUC.

# %%
paper.figure("fig_training", *trainings.curves(trained))

# %% [markdown]
# ## Learning curves of the MRI networks
#
# Every arm has the same number of gradient steps; arms that start from the priming stage have its steps in addition, and in the
# quick profile a lower learning rate. The loss is not comparable between arms, since the focal loss is smaller by construction.
# The average precision is comparable: validation scans are reweighted to 2 % artifacts, and a network without any information has
# an average precision of 0.02. These networks keep their last weights, as their authors did.

# %%
histories = {name: trained.histories[name] for name in trained.volumes}
paper.figure("fig_mri_training", *figures_arms.training(histories, trained.recipes, recipes.PREVALENCE))
