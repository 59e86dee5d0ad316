import pytest
import torch
import torchvision

from xiqa import models

SHAPES = {"alexnet3d": (57, 57, 48), "vggnet3d": (32, 40, 32), "vggnet3d_strided": (40, 32, 32)}


@pytest.mark.parametrize("name", models.NETWORKS_2D)
def test_2d_networks_answer_with_logits(name):
    model = models.build(name, num_classes=3).eval()
    assert model(torch.zeros(2, 3, 64, 96)).shape == (2, 3)


@pytest.mark.parametrize("name", models.NETWORKS_3D)
def test_3d_networks_are_head_after_trunk(name):
    model = models.build(name, shape=SHAPES[name]).eval()
    volumes = torch.randn(2, 1, *SHAPES[name])
    torch.testing.assert_close(model(volumes), model.head(model.trunk(volumes)))


@pytest.mark.parametrize(("name", "count"), [("alexnet3d", 919_394), ("vggnet3d", 2_982_010)])
def test_3d_networks_have_the_published_number_of_parameters(name, count):
    with torch.device("meta"):
        model = _built_on_meta(name)
    assert sum(p.numel() for p in model.parameters()) == count


def test_the_strided_network_is_a_member_of_the_same_family_at_half_the_resolution():
    model = models.build("vggnet3d_strided", shape=(64, 64, 32))
    assert sum(p.numel() for p in model.parameters()) == 252_114
    assert model.trunk.block1(torch.zeros(1, 1, 64, 64, 32)).shape == (1, 8, 32, 32, 16)
    assert [type(module) for module in model.head] == [type(module) for module in _built_on_meta("vggnet3d").head]


def _built_on_meta(name):
    classes = {"alexnet3d": models.AlexNet3d, "vggnet3d": models.VggNet3d}
    return classes[name]((256, 256, 64), 2)


@pytest.mark.parametrize("name", models.NETWORKS_2D + models.NETWORKS_3D)
def test_saliency_layers_are_modules_of_the_network(name):
    model = models.build(name, shape=SHAPES.get(name))
    for layer in model.saliency_layers["single"] + model.saliency_layers["combined"]:
        assert model.get_submodule(layer) is not None
    assert len(model.saliency_layers["single"]) == 1


def test_efficientnet_combines_ten_layers():
    layers = models.saliency_layers("efficientnet_b0")["combined"]
    assert layers[0] == "features.0.0"
    assert layers[-1] == "features.8.2"
    assert len(layers) == 10


@pytest.mark.parametrize("name", models.NETWORKS_3D)
def test_a_volume_below_the_minimum_is_refused(name):
    small = [side - (i == 2) for i, side in enumerate(models.SMALLEST[name])]
    with pytest.raises(ValueError, match="at least"):
        models.build(name, shape=small)
    with pytest.raises(ValueError, match="needs shape"):
        models.build(name)


def test_an_unknown_network_is_refused_by_name():
    with pytest.raises(ValueError, match="resnet34"):
        models.build("resnet99")


def test_saved_weights_come_back(tmp_path):
    first, path = models.build("resnet18"), tmp_path / "weights.pt"
    models.save(first, path, seed=1)
    second = models.build("resnet18", weights=path)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_head_of_another_size_stays_as_it_was_drawn(tmp_path):
    backbone, path = models.build("resnet18", num_classes=8), tmp_path / "weights.pt"
    models.save(backbone, path)
    torch.manual_seed(3)
    plain = models.build("resnet18")
    torch.manual_seed(3)
    loaded = models.build("resnet18", weights=path)
    assert torch.equal(loaded.fc.weight, plain.fc.weight)
    assert torch.equal(loaded.layer1[0].conv1.weight, backbone.layer1[0].conv1.weight)


def test_weights_of_another_network_or_a_damaged_file_are_refused(tmp_path):
    path = tmp_path / "weights.pt"
    models.save(models.build("resnet18"), path)
    with pytest.raises(ValueError, match="resnet18, not of resnet34"):
        models.build("resnet34", weights=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a weights file"):
        models.build("resnet18", weights=path)
    with pytest.raises(FileNotFoundError, match="no weights at"):
        models.build("resnet18", weights=tmp_path / "missing.pt")


@pytest.mark.parametrize("name", ["resnet34", "efficientnet_b0"])
def test_imagenet_weights_fill_the_backbone_and_leave_a_new_head(name, monkeypatch):
    full = torchvision.models.get_model(name)
    asked = []

    def get_state_dict(self, *args, **kwargs):
        asked.append(str(self))
        return full.state_dict()

    monkeypatch.setattr(torchvision.models.WeightsEnum, "get_state_dict", get_state_dict)
    model = models.build(name, weights="imagenet")
    assert asked[0].endswith("IMAGENET1K_V1")
    assert models.head_of(model).out_features == 2
    first = next(iter(model.state_dict()))
    assert torch.equal(model.state_dict()[first], full.state_dict()[first])


def test_no_pretext_yet_is_said_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("XIQA_RESULTS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="pretext-resnet18"):
        models.build("resnet18", weights="pretext")


def test_normalise_takes_bytes_and_floats_alike():
    images = torch.randint(0, 256, (2, 5, 7), dtype=torch.uint8)
    out = models.normalise(images)
    assert out.shape == (2, 3, 5, 7)
    torch.testing.assert_close(out, models.normalise(images.float() / 255))
    expected = (images[1, 2, 3].item() / 255 - models.MEAN[2]) / models.STD[2]
    assert out[1, 2, 2, 3].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
def test_residual_blocks_that_begin_as_the_identity(name):
    model = models.build(name).eval()
    models.zero_residual(model)
    features = torch.rand(2, {"resnet34": 512, "resnet50": 2048}[name], 3, 3)
    with torch.inference_mode():
        assert torch.equal(model.layer4[-1](features), features)
