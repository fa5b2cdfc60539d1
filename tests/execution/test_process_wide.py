"""Changes of the whole process overlap in any order and leave nothing behind."""

import logging
import warnings
from contextlib import ExitStack

from threadpoolctl import threadpool_info

from scalable.execution.process_wide import ignoring, large_tasks, one_blas_thread, quiet_distributed


def overlapping(change):
    """Enter twice, and leave in the order of entering, as two threads may."""
    first, second = ExitStack(), ExitStack()
    first.enter_context(change())
    second.enter_context(change())
    first.close()
    yield
    second.close()
    yield


def test_a_logger_speaks_again_when_the_last_one_left():
    logger = logging.getLogger("distributed")
    before = logger.level
    steps = overlapping(quiet_distributed)
    next(steps)
    assert logger.level == logging.CRITICAL
    next(steps)
    assert logger.level == before


def test_warnings_are_shown_again_when_the_last_one_left(recwarn):
    before = list(warnings.filters)
    steps = overlapping(large_tasks)
    next(steps)
    warnings.warn("Sending large graph of size 11 MiB", UserWarning, stacklevel=1)
    warnings.warn("another", UserWarning, stacklevel=1)
    assert [str(each.message) for each in recwarn] == ["another"]
    next(steps)
    assert list(warnings.filters) == before
    warnings.warn("Sending large graph of size 12 MiB", UserWarning, stacklevel=1)
    assert len(recwarn) == 2


def test_two_kinds_of_ignored_warnings_do_not_meet():
    before = list(warnings.filters)
    with ExitStack() as one, ExitStack() as other:
        one.enter_context(ignoring("a")())
        other.enter_context(ignoring("b")())
        one.close()
        assert len(warnings.filters) == len(before) + 1
    assert list(warnings.filters) == before
    with ignoring("a")():
        warnings.resetwarnings()  # somebody else's; nothing of ours is left to remove
    warnings.filters[:] = before


def test_blas_has_its_threads_back_when_the_last_one_left(two_blas_threads):
    def threads():
        return {
            each["filepath"]: each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"
        }

    before = threads()
    assert set(before.values()) == {2}
    steps = overlapping(one_blas_thread)
    next(steps)
    assert set(threads().values()) == {1}
    next(steps)
    assert threads() == before
