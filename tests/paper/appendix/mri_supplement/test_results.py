from xiqa.paper.appendix.mri_supplement import results
from xiqa.paper.study import Study


def names(profile, mri=None):
    return [job.name for job in results.jobs(Study(profile, mri=mri))]


def test_flips_are_sampled_of_the_ramp_where_no_network_was_trained_with_them():
    ramp, flips, other = "sample:mri-vggnet3d-ramp-s0", "sample:mri-vggnet3d-flips-s0", "data:mri-other-scanner"
    assert names("smoke") == ["range_test:mri", f"{ramp}-test-flips", other, f"{ramp}-other-scanner"]
    assert names("quick") == ["range_test:mri", other, f"{ramp}-other-scanner", f"{flips}-other-scanner"]


def test_real_data_have_no_other_scanner(tmp_path):
    assert names("quick", tmp_path) == ["range_test:mri"]
