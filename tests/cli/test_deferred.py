"""Modules put off by the command line: loaded once and seen whole, whichever threads ask first."""

import subprocess
import sys

THREADS = """
import sys, threading
from scalable.deferred import defer
defer()
import pandas
assert type(sys.modules["pandas"]).__name__ != "module", "it was not put off"
together, found = threading.Barrier(4), []
def ask():
    together.wait()
    try:
        found.append(pandas.DataFrame({"a": [1, 2]}).a.sum() == 3 and bool(pandas.__version__))
    except AttributeError as error:
        found.append(error)
threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert found == [True] * 4, found
assert type(sys.modules["pandas"]).__name__ == "module"
"""


def test_no_thread_sees_half_of_a_module():
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
