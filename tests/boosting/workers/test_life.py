import os
import signal
import subprocess
import sys
import time

import numpy as np

from scalable.boosting.workers.life import peak_rss, processor_seconds, stopped


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


def test_peak_memory_is_not_that_of_who_started_the_process():
    """The kernel hands `ru_maxrss` down: a child of a large parent would look as large."""
    large = np.ones(2**26)  # 512 MiB
    assert peak_rss() > large.nbytes
    program = "from scalable.boosting.workers.life import peak_rss; print(peak_rss())"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(child.stdout) < large.nbytes
