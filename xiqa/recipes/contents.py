"""What the notebooks read and make."""

# What each notebook makes ...
PRODUCTS = {
    "01_data": ["table_datasets", "table_audit", "fig_datasets", "fig_mri_artifacts"],
    "02_training": ["table_1_classifiers", "fig_training", "fig_mri_training", "fig_mri_learning_rate"],
    "03_saliency": ["fig_examples_object_cxr", "fig_examples_lvot", "fig_layers", "fig_smoothing", "fig_failures"],
    "04_sanity_checks": ["fig_randomisation", "table_randomisation"],
    "05_pointing_game": [
        "table_2_smoothing",
        "table_3_lvot",
        "table_4_object_cxr",
        "table_5_architectures",
        "midl_table_2",
        "fig_tolerance",
        "fig_consistency",
        "table_claims_saliency",
    ],
    "06_mri_uncertainty": [
        "table_mri_convergence",
        "table_mri_referral",
        "fig_mri_convergence",
        "fig_mri_roc",
        "fig_mri_referral",
        "fig_mri_udm_dffmr",
        "fig_mri_flips",
        "fig_mri_calibration",
        "fig_mri_saliency",
    ],
    "07_imbalance_handling": [
        "table_mri_headline",
        "table_mri_experiments",
        "fig_mri_ramp",
        "fig_mri_confusion",
        "table_claims_mri",
    ],
}

# ... and what it does not make yet, with the reason that the report prints.
NOT_RUN = {
    "table_published_vs_corrected": "the published programs' defects are not reproduced in this version",
    "table_localisation": "localisation beyond the pointing game is not in this version",
}

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

# Notebooks that wait for another one which computes samples that they want too. 05 waits for none: what it wants beside
# the scores of 04 fills the second core while 04 computes those.
SHARING = {"07_imbalance_handling": ["06_mri_uncertainty"]}
