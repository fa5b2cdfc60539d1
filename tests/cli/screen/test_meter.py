"""What a stage's memory is: of the process and all below it, as often as it may be asked."""

import os
import subprocess
import sys
import time

from scalable.cli.screen.meter import INTERVAL, family, measured, memory_of, pause, pss


def test_a_child_s_memory_counts_while_it_lives():
    code = "x = bytearray(b'1') * (64 << 20); print(flush=True); input()"
    with measured("wait") as stage, subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:  # fmt: skip
        child.stdout.readline()
        assert child.pid in family(os.getpid())
        assert memory_of(os.getpid()) >= pss(child.pid) > 64 << 20
        time.sleep(3 * INTERVAL)
        child.communicate(b"\n")
    assert stage.peak_memory_bytes > 64 << 20
    assert pss(child.pid) == memory_of(child.pid) == 0


def test_an_expensive_sample_is_followed_by_a_longer_pause():
    assert pause(0.0) == pause(0.001) == INTERVAL
    assert pause(0.1) == 2.0
    assert pause(0.001, 0.1) == 0.1
