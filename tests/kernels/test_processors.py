import os
import subprocess
import sys
from collections import namedtuple

import psutil
import pytest

from scalable.kernels import processors


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_a_process_bound_to_one_processor_has_one():
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{one}}})\n"
    code += "from scalable.kernels.processors import available_processors; print(available_processors())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_idle_processors_are_those_of_now(monkeypatch):
    seen = iter([(100.0, 0.0, 50.0, 900.0), (100.05, 0.0, 50.05, 900.1)])  # half of the time since is idle
    fields = namedtuple("scputimes", ["user", "nice", "system", "idle"])
    monkeypatch.setattr(psutil, "cpu_times", lambda: fields(*next(seen)))
    monkeypatch.setattr(processors, "available_processors", lambda: 4)
    assert processors.idle_processors() == pytest.approx(2.0)
