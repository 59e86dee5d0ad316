from dataclasses import asdict

from xiqa.paper.appendix.mri_supplement import results
from xiqa.paper.study import Study


def names(profile, mri=None):
    return [job.name for job in results.jobs(Study(profile, mri=mri))]


ABLATIONS = ["train:mri-zscore", "train:mri-vggnet3d"]


def test_jobs_of_the_supplement():
    assert names("smoke") == names("quick") == ["range_test:mri", *ABLATIONS, "sample:mri-foreign"]
    assert names("paper") == ["range_test:mri", *ABLATIONS, "sample:mri-foreign"]


def test_real_data_have_no_foreign_scans(tmp_path):
    assert names("quick", tmp_path) == ["range_test:mri", *ABLATIONS]


def test_an_ablation_changes_one_thing():
    study = Study("quick", compute=False)
    first = study.recipe(study.runs("priming")[0])
    changes = {
        name: {k for k, v in asdict(r).items() if v != asdict(first)[k]} for name, r in results.ablations(study).items()
    }
    assert changes == {"zscore": {"intensity"}, "vggnet3d": {"network"}}
    assert results.described(first)[:3] == ("log", "vggnet3d_strided", 252_114)
