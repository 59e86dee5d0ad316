"""Notebooks of the paper: the products that each makes, and the data sets that each reads."""

PRODUCTS = {
    "01_data": ["table_datasets", "table_audit", "fig_datasets", "fig_mri_artifacts"],
    "02_training": ["table_1_classifiers", "fig_training", "fig_mri_training"],
    "03_saliency": ["fig_examples_object_cxr", "fig_examples_lvot", "fig_layers"],
    "04_sanity_checks": ["fig_randomisation", "table_randomisation", "table_published_vs_corrected"],
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
        "table_mri_review",
        "table_mri_detection",
        "fig_mri_convergence",
        "fig_mri_referral",
        "fig_mri_review",
        "fig_mri_calibration",
    ],
    "07_imbalance_handling": [
        "table_mri_headline",
        "table_mri_experiments",
        "fig_mri_ramp",
        "fig_mri_arms",
        "table_claims_mri",
    ],
    "A1_localisation": ["table_localisation"],
    "A2_explained_mri": ["table_mri_explained", "fig_mri_saliency"],
    "A3_mri_supplement": [
        "fig_mri_learning_rate",
        "fig_mri_confusion",
        "fig_mri_roc",
        "fig_mri_flips",
        "fig_mri_udm_dffmr",
        "table_mri_shift",
        "table_mri_inputs",
    ],
}

IMAGES, VOLUMES = ("object_cxr", "lvot"), ("mri",)
DATASETS = {
    "01_data": IMAGES + VOLUMES,
    "02_training": IMAGES + VOLUMES,
    "03_saliency": IMAGES,
    "04_sanity_checks": IMAGES,
    "05_pointing_game": IMAGES,
    "06_mri_uncertainty": VOLUMES,
    "07_imbalance_handling": VOLUMES,
    "A1_localisation": IMAGES,
    "A2_explained_mri": VOLUMES,
    "A3_mri_supplement": VOLUMES,
}

# Arms of the MRI study of which Monte Carlo samples are drawn.
SAMPLED = ("ramp", "flips")
