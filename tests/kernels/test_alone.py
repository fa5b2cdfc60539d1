"""Python's own work by one thread at a time."""

import os
import threading

from scalable.kernels.alone import alone


def test_one_thread_at_a_time_is_let_in_and_may_come_in_again():
    entered = threading.Event()

    def other():
        with alone():
            entered.set()

    thread = threading.Thread(target=other)
    with alone(), alone():
        thread.start()
        assert not entered.wait(0.05)
    thread.join(10)
    assert entered.is_set()


def test_a_forked_process_does_not_wait_for_a_thread_that_is_not_there():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with alone():
            inside.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    child = os.fork()
    if not child:
        second = threading.Thread(target=lambda: alone().__enter__(), daemon=True)
        second.start()
        second.join(5)
        os._exit(second.is_alive())
    _, status = os.waitpid(child, 0)
    leave.set()
    thread.join(10)
    assert status == 0
