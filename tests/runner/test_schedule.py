"""Runs on a cluster; runs here are tested through the command line."""

import pytest


def test_a_dask_cluster_runs_the_steps(fresh):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(protocol="tcp", **options) as cluster:
        said = fresh.run("--only", "01", "--dask", cluster.scheduler_address)
    assert f"a step, {cluster.scheduler_address}." in said
    assert "done  01_data" in said
    assert (fresh.root / "figures/quick/table_datasets.csv").is_file()


def test_no_cluster_at_the_address_is_one_sentence(fresh):
    pytest.importorskip("distributed")
    said = fresh.run("--only", "01", "--dask", "tcp://127.0.0.1:9", code=2)
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in said
