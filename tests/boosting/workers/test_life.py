import os
import signal
import subprocess
import sys
import time

from scalable.boosting.workers.life import processor_seconds, stopped


def test_a_process_that_works_lives_and_one_that_is_stopped_or_gone_does_not():
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        used = processor_seconds(child.pid)
        deadline = time.monotonic() + 20
        while processor_seconds(child.pid) <= used and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not stopped(child.pid, used)
        os.kill(child.pid, signal.SIGSTOP)
        while not stopped(child.pid, used) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stopped(child.pid, used)
    finally:
        child.kill()
        child.wait()
    assert stopped(child.pid, used)
