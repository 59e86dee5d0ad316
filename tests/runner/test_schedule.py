"""Runs on a cluster; runs here are tested through the command line."""

import pytest


def test_a_dask_cluster_runs_jobs_and_notebooks_to_the_same_bytes(fresh, finished):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp", **options) as cluster:
        output = fresh.run("--only", "03", "--dask", cluster.scheduler_address)
    assert f"a job, {cluster.scheduler_address}." in output
    assert output.count("done") == 3
    files = [
        {path.parent.name: path.read_bytes() for path in (one.root / "results/quick/store").rglob("*.txt")}
        for one in (fresh, finished)
    ]
    assert files[0] == files[1]


def test_no_cluster_at_the_address_is_one_sentence(fresh):
    pytest.importorskip("distributed")
    said = fresh.run("--only", "01", "--dask", "tcp://127.0.0.1:9", code=2)
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in said
