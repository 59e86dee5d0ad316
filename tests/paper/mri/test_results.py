from types import SimpleNamespace

import pytest

from xiqa.paper.mri import results
from xiqa.paper.study import Study


@pytest.fixture
def study(tmp_path, monkeypatch):
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"XIQA_{name}", str(tmp_path / name.lower()))
    monkeypatch.delenv("XIQA_RUN", raising=False)
    return lambda profile: Study(profile, compute=False)


def test_trainings_of_an_arm():
    arms = {"a0": "ramp", "b0": "focal", "a1": "ramp", "f0": "flips"}
    recipes = {name: SimpleNamespace(arm=arm) for name, arm in arms.items()}
    study = results.MriResults({}, recipes, {}, {}, {}, {}, {}, {}, "quick")
    assert (study.runs("ramp"), study.runs("priming")) == (["a0", "a1"], [])
    assert (study.primary, study.flip_network) == ("a0", None)
    samples = {("a0", "test"): {"mc": 0}, ("f0", "test"): {"mc": 0, "flips": 0}}
    assert results.MriResults({}, recipes, {}, {}, samples, {}, {}, {}, "paper").flip_network == "f0"


def test_flips_are_those_of_the_flip_arm_or_of_the_first_ramp_with_flips(study):
    names = {profile: results.flip_training(study(profile)) for profile in ("quick", "paper")}
    assert names == {"quick": "mri-vggnet3d_strided-ramp-s0", "paper": "mri-vggnet3d-flips-s0"}


@pytest.mark.parametrize("profile", ["smoke", "quick", "paper"])
def test_every_training_has_one_job_a_split(study, profile):
    own = study(profile)
    jobs = {job.name: job for job in results.jobs(own)}
    drawn = results.sampled(own)
    for name in own.arms():
        for split in ("val", "test"):
            kinds = [kind for kind in ("sample", "predict") if f"{kind}:{name}-{split}" in jobs]
            assert kinds == ["sample" if name in drawn else "predict"]
            assert f"train:{name}" in jobs[f"{kinds[0]}:{name}-{split}"].needs
    assert len(jobs) == 2 * len(own.arms()) + 2
