"""The processes of workers that run below a test."""

import psutil


def worker_processes():
    """Worker processes of this test's process tree."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "scalable.boosting.workers.process" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found
