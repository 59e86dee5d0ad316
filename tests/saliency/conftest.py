"""Small networks and pictures for the saliency tests."""

import pytest
import torch
import torchvision
from torch import nn

RESNET = {"single": ["layer4.{}"], "combined": ["layer2.0", "layer3.0", "layer4.0", "layer4.{}"]}
EFFICIENTNET = {
    "single": ["features.8"],
    "combined": ["features.0.0", *(f"features.{block}.0" for block in range(1, 9)), "features.8.2"],
}


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def resnet(name: str) -> nn.Module:
    """A randomly initialised ResNet in float64 whose normalisation is not the identity, with its saliency layers."""
    torch.manual_seed(0)
    model = getattr(torchvision.models, name)(num_classes=3)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    last = len(model.layer4) - 1
    model.saliency_layers = {kind: [layer.format(last) for layer in layers] for kind, layers in RESNET.items()}
    return model.double().eval()


@pytest.fixture(scope="module", params=["resnet34", "resnet50"])
def either_resnet(request):
    return resnet(request.param)


@pytest.fixture
def resnet18():
    """A fresh one, for tests that change it."""
    return resnet("resnet18")


@pytest.fixture(scope="module")
def efficientnet():
    torch.manual_seed(0)
    model = torchvision.models.efficientnet_b0(num_classes=2).eval()
    model.saliency_layers = EFFICIENTNET
    return model


@pytest.fixture(scope="session")
def pictures():
    """Three of 64 x 96 pixels, in float64."""
    return torch.randn(3, 3, 64, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
