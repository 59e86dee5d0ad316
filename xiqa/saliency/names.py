"""Names of saliency methods in tables, and the rows of the papers' tables."""

from collections.abc import Iterable

METHOD_NAMES = {
    "gradcam": "Grad-CAM",
    "gradcam_combined": "Grad-CAM, combined",
    "guided_gradcam": "Guided Grad-CAM",
    "input_x_gradient": "Input x Gradient",
    "guided_backprop": "Guided Backprop",
    **{
        f"normgrad_{variant}_{layers}": f"NormGrad {variant}, {layers}"
        for variant in ("bias", "scaling", "conv1x1", "conv3x3")
        for layers in ("single", "combined")
    },
    "constant_point": "Best constant point",
    "centre": "Centre of the image",
    "random": "Random pixel",
    "difference_of_gaussians": "Difference of Gaussians",
    "gradient_magnitude": "Gradient magnitude",
    "chance": "Chance",
}
# The ten rows of the papers' tables, in their order (C: run scripts); two more stand in the MIDL paper's.
TABLE_ROWS = (
    "gradcam",
    "guided_gradcam",
    "input_x_gradient",
    "guided_backprop",
    *(f"normgrad_{v}_{layers}" for v in ("scaling", "conv1x1", "conv3x3") for layers in ("single", "combined")),
)
MIDL_ROWS = (*TABLE_ROWS[:4], "normgrad_bias_single", "normgrad_bias_combined", *TABLE_ROWS[4:])
# Rows of our tables: combined Grad-CAM separates the layers from the formula.
ROWS = (TABLE_ROWS[0], "gradcam_combined", *TABLE_ROWS[1:])


def ordered(methods: Iterable[str], rows: Iterable[str] = ROWS) -> list[str]:
    """Those of ``methods`` that a table of the papers has, in its order, and all that the papers do not have."""
    methods = list(dict.fromkeys(methods))
    return [name for name in rows if name in methods] + [name for name in methods if name not in METHOD_NAMES]


def label(method: str) -> str:
    """Name of a method or baseline in tables and figures; that of registration where there is no other."""
    return METHOD_NAMES.get(method, method)
