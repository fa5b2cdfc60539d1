import threading

import pytest

from scalable import progress


class Recorder:
    """A front end that notes what it is told and notices calls that overlap."""

    def __init__(self):
        self.events = []
        self.inside = 0

    def open(self, label, total, unit):
        self.events.append(("open", label, total, unit))
        return self

    def advance(self, amount, **metrics):
        self.inside += 1
        assert self.inside == 1, "advance ran twice at once"
        self.events.append(("advance", amount, metrics))
        self.inside -= 1

    def close(self, finished):
        self.events.append(("close", finished))


@pytest.fixture
def recorder():
    recorder = Recorder()
    progress.install(recorder)
    yield recorder
    progress.install(None)


def test_what_was_decided_is_said_as_a_task_without_a_unit(recorder):
    progress.say("engine: lightgbm, because of it")
    assert recorder.events == [("open", "engine: lightgbm, because of it", None, ""), ("close", True)]


def test_nothing_happens_without_a_reporter():
    progress.say("nobody listens")
    with progress.task("train", total=10) as task:
        task.advance(5, loss=0.5)


def test_a_reporter_hears_label_total_unit_amounts_and_metrics(recorder):
    with progress.task("train logistic", total=10, unit="trees") as task:
        task.advance(4, loss=0.5)
        task.advance(6)
    assert recorder.events == [
        ("open", "train logistic", 10, "trees"),
        ("advance", 4, {"loss": 0.5}),
        ("advance", 6, {}),
        ("close", True),
    ]


def test_a_task_is_closed_when_its_body_fails(recorder):
    def work():
        with progress.task("train"):
            raise LookupError

    with pytest.raises(LookupError):
        work()
    assert recorder.events == [("open", "train", None, "rows"), ("close", False)]


def test_threads_may_advance_together(recorder):
    with progress.task("train", total=4_000) as task:
        threads = [threading.Thread(target=lambda: [task.advance(1) for _ in range(500)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(event[1] for event in recorder.events if event[0] == "advance") == 4_000


def test_tasks_started_before_a_reporter_stay_silent():
    recorder = Recorder()
    with progress.task("early") as task:
        progress.install(recorder)
        task.advance(1)
    progress.install(None)
    assert recorder.events == []


def test_tasks_may_nest(recorder):
    with progress.task("outer") as outer, progress.task("inner") as inner:
        inner.advance(1)
        outer.advance(2)
    assert [event[0] for event in recorder.events] == ["open", "open", "advance", "advance", "close", "close"]
