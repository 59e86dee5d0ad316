"""Jobs in processes: order, the same results for any number of them, and what happens when none can be started."""

import math
from concurrent.futures.process import BrokenProcessPool

import pytest

from xiqa.synthetic import parallel
from xiqa.synthetic.parallel import each


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers):
    assert list(each(math.sqrt, [n * n for n in range(20)], workers)) == list(range(20))


def test_few_jobs_start_no_process(monkeypatch):
    monkeypatch.setattr(parallel, "ProcessPoolExecutor", None)
    assert list(each(abs, [-1, -2], 4)) == [1, 2]
    assert list(each(abs, [], 4)) == []


def test_a_broken_pool_is_finished_here(monkeypatch):
    class Broken:
        def __init__(self, *_, **__): ...
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def map(self, function, jobs, chunksize):
            yield from map(function, jobs[:3])
            raise BrokenProcessPool

    monkeypatch.setattr(parallel, "ProcessPoolExecutor", Broken)
    assert list(each(abs, list(range(-10, 0)), 2)) == list(range(10, 0, -1))


def test_an_error_of_a_job_is_raised():
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(each(math.sqrt, [4, -1], 1))
