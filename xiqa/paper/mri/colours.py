"""One colour an arm of the MRI study, in every figure."""

import seaborn as sns

_ORDER = (
    "baseline",
    "ramp",
    "focal",
    "class weights",
    "priming",
    "ramp short",
    "ramp medium",
    "balanced",
    "primed",
    "flips",
)
ARMS = dict(zip(_ORDER, sns.color_palette("colorblind", len(_ORDER)), strict=True))
GREYS = ("0.35", "0.65")  # of baselines without a neural network
