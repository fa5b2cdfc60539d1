"""One process of mutants: ``python -m tests.fuzz.child FORMATS CORPUS WORK SEED FIRST LAST SECONDS HANG WARM LEAST``.

Formats have commas between them, and take turns; a mutant that takes HANG seconds of processor time, or that waits ten
times as long, ends the process: on a busy machine a process that is starved is no hang. Kernels are compiled for the
mutants before WARM: they may take as long as that takes, and SECONDS begin after them. They end when mutant LEAST was
looked at, too.

It says what it begins and what came of it, so that whoever started it knows which mutant ended it.
"""

import faulthandler
import importlib
import resource
import shutil
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

import numpy as np

from tests.fuzz.formats import FORMATS
from tests.fuzz.outcomes import ERROR, FAULTS, MEMORY

WAITING = 10.0  # times the seconds of processor time
COMPILING_SECONDS = 1800.0  # of processor time, for a mutant that kernels are compiled for
MOST_MEMORY = 12 * 2**30  # of its own; files that are mapped do not count


def say(*words):
    print(*words, flush=True)


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def subject_of(name, corpus):
    module, kind = FORMATS[name]
    return getattr(importlib.import_module(module), kind)(Path(corpus) / module)


def main(names, corpus, work, seed, first, last, seconds, hang, warm, least):
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.register(signal.SIGPROF, all_threads=True, chain=True)  # says where it is, and ends
    subjects = {name: subject_of(name, corpus) for name in names.split(",")}
    first, last, warm, least = map(int, (first, last, warm, least))
    end = None
    for k in range(first, last):
        if end is None and k >= warm:
            say("warm")
            end = time.monotonic() + float(seconds)
        if end is not None and k >= least and time.monotonic() > end:
            break
        allowed = max(float(hang), COMPILING_SECONDS if k < warm else 0.0)
        name, subject = list(subjects.items())[k % len(subjects)]
        path = Path(work) / f"{name}-{seed}-{k}{subject.suffix}"  # a name of its own: readers remember files
        remove(path)  # of the same mutant, which failed while kernels were compiled
        subject.mutate(np.random.default_rng([int(seed), k]), path)
        say("begin", k)
        signal.setitimer(signal.ITIMER_PROF, allowed)
        faulthandler.dump_traceback_later(WAITING * allowed, exit=True)
        try:
            outcome, note = subject.check(path, lambda stage, k=k: say("reached", k, stage)), ""
        except MemoryError as error:
            outcome, note = MEMORY, repr(error)
        except Exception as error:
            last_frame = traceback.extract_tb(error.__traceback__)[-1]
            outcome = ERROR
            note = f"{type(error).__name__}: {error} ({Path(last_frame.filename).name}:{last_frame.lineno})"
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        say("end", k, outcome.replace(" ", "_"), note.replace("\n", " ")[:300])
        if outcome in FAULTS:
            say("keep", k, path)
        else:
            remove(path)
    say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
