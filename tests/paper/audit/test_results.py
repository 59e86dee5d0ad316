import pytest

from xiqa import recipes
from xiqa.paper.audit import results
from xiqa.paper.study import Study


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_real_data_need_no_simulator_and_no_training(profile, tmp_path):
    assert all("features" in job.name and job.needs for job in results.jobs(Study(profile, mri=tmp_path)))
    names = {job.name for job in results.jobs(Study(profile))}
    assert names == {f"audit:{part}-{name}" for part in ("features", "null-world", "scores") for name in results.NAMES}


@pytest.mark.parametrize("profile", recipes.PROFILES.values(), ids=lambda profile: profile.name)
def test_the_other_scanner_is_another_embedded_data_set(profile):
    for dataset, spec in profile.embedded.items():
        other = profile.other_scanner(dataset)
        assert other["scanner"] == "other"
        assert other["seed"] == spec["seed"]
        assert (profile.name, dataset, other) in recipes.embedded_specs()
