"""Names of the defects of the published programs, and the programs that have them."""

DEFECTS = {
    "S1": "Guided Backprop's hooks are lost: it is the plain gradient",
    "S1_midl": "Guided Backprop's rule acts at the stem's activation only",
    "S2": "Grad-CAM runs the last block without its skip connection: it explains a different network",
    "S3": "masks are tested transposed",
    "S4": "without a target the gradient maps explain the sum of both logits",
    "S5": "an absolute 1e-8 in the min-max of each layer, in single precision",
    "S5_midl": "the min-max of each layer has no guard: a constant layer divides 0 by 0",
    "S6": "Grad-CAM starts from ones, in 8 bits, resized by Lanczos; gradient maps are cut at their 99th percentile",
    "S7": "a layer whose map is zero everywhere resets the product to ones",
    "S8": "Input x Gradient multiplies every channel by the red one's gradient",
    "positive": "Guided Backprop keeps the positive part of the gradient",
}
MODES = {
    "corrected": (),
    "published": ("S1", "S2", "S3", "S4", "S5", "S6", "S7"),
    "published_midl": ("S1_midl", "S2", "S4", "S5_midl", "S6", "S8"),
}
