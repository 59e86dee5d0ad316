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
# # 1. What is in the data?
#
# The paper needs three data sets: radiographs, cardiac cine frames and brain scans. By default they are **simulated stand-ins,
# written in the layouts of the real data**, and the audit below finds no shortcut to their labels; its intervals show how large
# a shortcut could still be.
#
# | makes | needs | takes |
# |---|---|---|
# | `table_datasets`, `fig_datasets`, `fig_mri_artifacts`, `table_audit` | nothing; opened by hand it trains the audited networks if they are missing | seconds after a run; fifteen minutes by hand before it |
#
# - **Object-CXR** has 10,000 frontal radiographs, half of them with foreign objects *within the lung field*: buttons, buckles,
#   zips, necklaces. Objects outside the lungs, and support devices such as ECG leads, are not annotated.
# - **LVOT** (private) has 17,204 frames of 690 four-chamber cine records. In half of them the plane was tilted, so that the left
#   ventricular outflow tract is visible. Frames of a patient are not independent.
# - The **MRI study** (private) has 34,800 brain scans, of which 2 % have an artifact: of intensity, of motion, of coverage.

# %% tags=["parameters"]
profile = "quick"  # smoke, quick or paper
object_cxr = None  # folder of real radiographs; None: the embedded ones
lvot = None  # folder of real cine frames; None: the embedded ones
mri = None  # folder of real brain volumes; None: the embedded ones
weights = None  # "imagenet": start from torchvision's weights; None: the embedded pretext

# %%
from IPython.display import display

from xiqa import recipes
from xiqa.paper import products
from xiqa.paper.audit import contents, figures, proofs, results
from xiqa.paper.study import Study

study = Study(profile, object_cxr, lvot=lvot, mri=mri, weights=weights)
paper = products.begin("01_data", study)
audit = results.read(study)

# %% [markdown]
# ## Images, units and files left out
#
# Every file is opened to its end before anything else happens. A damaged file is named below with a remedy, and the rest goes
# on without it. *Units* are the independent observations: films, patients, subjects. Validation and test scans are enriched in
# artifacts; notebooks 6 and 7 reweight them to 2 %.

# %%
paper.table("table_datasets", *contents.datasets(audit.counts))

# %%
display(audit.problems.head(20) if len(audit.problems) else "No file has a problem.")
print("\n".join(audit.notes))

# %% [markdown]
# ## Images of both classes
#
# Green outlines are the annotation: rectangle, ellipse or polygon with a margin on films, the visible outflow tract on frames.
# Films of both classes show metal outside the outlines, so the task is more than "find metal". On frames, look between the
# atria: a visible outflow tract looks like a fifth chamber.
#
# The maps of annotated pixels are a warning: a method that always points to one place can hit often. Notebook 5 gives this
# baseline beside every method.

# %%
paper.figure("fig_datasets", *figures.datasets(audit.examples, audit.annotated, audit.brightness))

# %% [markdown]
# ## Brain scans: clean, and the three types of artifacts
#
# Each panel shows two planes of a scan as it lies on disk. Severity ranges from hardly visible to gross, so some artifacts are
# hard to see, and an artifact in other slices is not visible in these two planes.

# %%
paper.figure("fig_mri_artifacts", *figures.mri_artifacts(audit.scans, audit.views))

# %% [markdown]
# ## Does anything but the cause predict the label?
#
# The worst fault of simulated data is a shortcut: something other than the cause that predicts the label. The audit removes the
# causes, and then every AUC must be 0.5.
#
# - **Null world.** Every film and scan is drawn again with the same random numbers and the same label, but without the cause of
#   the label; patients of cine frames get the labels of other patients. A network is trained and tested there.
# - **Without the cause.** The network of the paper is tested on items without their cause, and on films with the lungs hidden.
# - **Files, headers, background and borders** go into a plain classifier.
#
# Null worlds of films and scans are trained on the items whose counterfactuals are kept. The other rows show how hard the tasks
# are: the AUC of a histogram, of a blob detector, and of the network on **another scanner** (objects, contrasts, tone and noise
# that are not in the training data). On real data only the rows without simulator and training are made.
#
# A proof of "must not predict" *holds* where the whole interval of the AUC lies within 0.5 +- 0.1. *No difference detected*
# is no evidence that there is no shortcut: with few test items the interval is wide.

# %%
paper.table("table_audit", *proofs.table(audit.proofs))

# %%
display(audit.proofs.groupby(["kind", "verdict"], sort=False).size().rename("rows").reset_index())
print("\n".join(f"{name}: {words}" for name, words in recipes.frozen().items()))
