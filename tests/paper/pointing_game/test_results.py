import pytest

from xiqa.paper.pointing_game import programs, results
from xiqa.paper.study import Study


@pytest.fixture
def study(tmp_path, monkeypatch):
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"XIQA_{name}", str(tmp_path / name.lower()))
    return lambda profile="quick", **arguments: Study(profile, **arguments)


def test_weights_of_every_state(study):
    setup = results.Setup("lvot", "resnet50", "semi_random", 1, task="textures")
    assert (setup.name, setup.training) == ("lvot-resnet50-semi_random-textures-s1-test", "textures-resnet50")
    assert results.Setup("lvot", "resnet50", "semi_random").training == "pretext-resnet50"
    assert results.Setup("lvot", "resnet50", "fully_random").training is None
    imagenet = results.untrained(study(weights="imagenet"), "object_cxr")
    assert list(imagenet) == ["FR", "SR"]
    assert (imagenet["SR"][0].task, imagenet["SR"][0].training) == ("imagenet", None)


@pytest.mark.parametrize("profile", ["smoke", "quick", "paper"])
def test_jobs_need_the_data_and_the_training_of_their_network(study, profile):
    jobs = {job.name: job for job in results.jobs(study(profile))}
    seeds = study(profile).profile.seeds("object_cxr", study(profile).profile.networks("object_cxr")[0])
    network = study(profile).profile.networks("object_cxr")[0]
    for seed in seeds:
        job = jobs[f"observe:object_cxr-{network}-trained-s{seed}-val"]
        assert job.needs == ("data:object_cxr", f"train:object_cxr-{network}-s{seed}")
        assert {"03_saliency", "04_sanity_checks", "05_pointing_game", "A1_localisation"} == set(job.notebooks)
    transposed = [job for name, job in jobs.items() if name.startswith("transposed:")]
    assert transposed
    assert all(set(job.needs) & set(jobs) for job in transposed)
    assert not any(name.startswith("transposed:object_cxr") for name in jobs)
    assert any(name.startswith("plain_silu:") for name in jobs) == (profile != "smoke")


def test_a_data_set_without_a_network_has_the_profiles_reason(study):
    made = study("smoke")
    made.profile = type("Profile", (), {"name": "smoke", "missing": {}, "networks": lambda self, dataset: []})()
    games, missing = results.read(made, ["lvot"])
    assert (games, missing) == ({}, {"lvot": "the smoke profile trains no network on it"})
    made.profile.missing = {"lvot": "too slow"}
    assert results.reason_not_possible(made, "lvot") == "too slow"


def test_every_variant_of_the_trained_primary_network_is_observed_or_transposed():
    assert {"S3", *programs.ALONE, *programs.PROGRAMS} == set(programs.VARIANTS)
