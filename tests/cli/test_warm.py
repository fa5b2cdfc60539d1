"""What ``scalable warm`` compiles, and what it says when a job fails."""

import pytest

from scalable.cli.serve import warm_jobs
from scalable.data.readers.pages import CODED
from scalable.errors import ScalableError
from scalable.kernels.jit import is_compiled
from scalable.kernels.linear import gradients
from scalable.kernels.parquet.coded import decode_columns
from scalable.kernels.timeline import group, history, windows


def test_a_job_leaves_the_kernels_of_a_first_fit_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(CODED, "patience", CODED.patience)  # put back at the end
    warm_jobs.JOBS["newton"](tmp_path)
    assert is_compiled(decode_columns)
    assert is_compiled(gradients._log_curvatures)


def test_features_leave_the_kernels_of_a_first_join_and_lookup_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(CODED, "patience", CODED.patience)
    warm_jobs.JOBS["features"](tmp_path)
    for kernel in (windows.slide, windows.slide_distinct, group.find_groups, history.look_up):
        assert is_compiled(kernel)


def test_a_job_that_fails_is_named_with_what_it_said_last(monkeypatch):
    monkeypatch.setattr(warm_jobs, "JOBS", {"nothing": warm_jobs.newton})  # unknown to the child
    with pytest.raises(
        ScalableError, match="the kernels of 'nothing' could not be compiled: KeyError: 'nothing'"
    ):
        warm_jobs.warm(1)
