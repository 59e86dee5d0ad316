"""What the notebooks read and make."""

# What each notebook makes ...
PRODUCTS = {
    "01_data": ["table_datasets", "table_audit", "fig_datasets", "fig_mri_artifacts"],
    "02_training": ["table_1_classifiers", "fig_training", "fig_mri_training", "fig_mri_learning_rate"],
    "03_saliency": ["fig_examples_object_cxr", "fig_examples_lvot", "fig_layers", "fig_smoothing", "fig_failures"],
    "04_sanity_checks": [
        "fig_randomisation",
        "table_randomisation",
        "table_published_vs_corrected",
        "table_published_scores",
    ],
    "05_pointing_game": [
        "table_2_smoothing",
        "table_3_lvot",
        "table_4_object_cxr",
        "table_5_architectures",
        "table_consistency",
        "midl_table_2",
        "table_localisation",
        "table_answers",
        "fig_tolerance",
        "fig_consistency",
        "table_claims_saliency",
    ],
    "06_mri_uncertainty": [
        "table_mri_convergence",
        "table_mri_referral",
        "table_mri_selective",
        "table_mri_review",
        "table_mri_detection",
        "table_mri_half_found",
        "table_mri_ambiguity",
        "table_mri_follows",
        "table_mri_shift",
        "table_mri_left_out",
        "table_mri_explained",
        "table_mri_peaks",
        "fig_mri_convergence",
        "fig_mri_roc",
        "fig_mri_referral",
        "fig_mri_review",
        "fig_mri_udm_dffmr",
        "fig_mri_flips",
        "fig_mri_calibration",
        "fig_mri_saliency",
    ],
    "07_imbalance_handling": [
        "table_mri_headline",
        "table_mri_experiments",
        "fig_mri_ramp",
        "fig_mri_arms",
        "fig_mri_confusion",
        "table_claims_mri",
    ],
}
# ... and what it does not make yet, with the reason that the report prints.
NOT_RUN: dict[str, str] = {}
# The data sets that each notebook reads; a training step reads that of its recipe.
IMAGES, VOLUMES = ("object_cxr", "lvot"), ("mri",)
DATASETS = {
    "01_data": IMAGES + VOLUMES,
    "02_training": IMAGES + VOLUMES,
    "03_saliency": IMAGES,
    "04_sanity_checks": IMAGES,
    "05_pointing_game": IMAGES,
    "06_mri_uncertainty": VOLUMES,
    "07_imbalance_handling": VOLUMES,
}
# Minutes of the longest notebooks in the quick profile: what takes longest begins first, and no core waits at the end.
LENGTH = {"05_pointing_game": 9, "04_sanity_checks": 6, "06_mri_uncertainty": 7, "03_saliency": 2}
# Notebooks that look at untrained heads, on backbones of both pretexts.
UNTRAINED = ("04_sanity_checks", "05_pointing_game")
# Notebooks that wait for another one which computes samples that they want too. 05 waits for none: it
# and 04 begin at different ends of what both want.
SHARING = {"07_imbalance_handling": ["06_mri_uncertainty"]}
# Arms of the MRI study that are asked many times about every scan.
SAMPLED = ("ramp", "flips")
