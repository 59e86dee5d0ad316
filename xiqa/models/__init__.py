"""Networks of both studies, their weights files and their states."""

from typing import TYPE_CHECKING

from xiqa.store.faces import lazy

if TYPE_CHECKING:
    from xiqa.models.networks import (
        MEAN,
        NETWORKS_2D,
        NETWORKS_3D,
        RESNETS,
        SMALLEST,
        STD,
        AlexNet3d,
        VggNet3d,
        build,
        normalise,
        saliency_layers,
        zero_residual,
    )
    from xiqa.models.states import STATES, evaluating, network
    from xiqa.models.weights import describe, head_of, load, newest_pretext, save

__getattr__ = lazy(__name__, __file__)
