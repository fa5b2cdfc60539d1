"""Who trains: processes of this machine, or the workers of a Dask client."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from scalable import progress
from scalable.boosting.comm.handshake import listen
from scalable.boosting.estimates import MemoryEstimate, check_memory
from scalable.boosting.workers.launchers import DaskLauncher, Launcher, LocalLauncher
from scalable.errors import ClusterError, UsageError
from scalable.execution.dask import Dask
from scalable.execution.executors import Executor, connected
from scalable.execution.threads import Threads
from scalable.kernels.processors import available_processors
from scalable.storage.files import arrow_input
from scalable.storage.spare import spare_memory

CHECK_SECONDS = 30
ANSWER_SECONDS = 3.0
REPLACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where one worker runs.

    Attributes
    ----------
    name : str
        For messages: a worker's address, or "this machine".
    host : str
        Address its peers reach it at.
    n_threads : int
        Threads it may use.
    memory : int
        Bytes its machine (or its control group) has to spare; 0 when unknown.
    machine : str
        Identifies the machine whose memory it shares with other workers.
    """

    name: str
    host: str
    n_threads: int
    memory: int = 0
    machine: str = ""

    @property
    def encrypted(self) -> bool:
        """Whether its cluster speaks TLS with it."""
        return self.name.startswith(("tls://", "wss://"))


@dataclass(frozen=True, slots=True)
class Team:
    """The workers' places, and how to run reductions and workers there.

    Attributes
    ----------
    places : tuple of Place
        One per worker.
    executor : Executor
        For the passes before training.
    launcher : callable
        Makes the launcher of one attempt for a list of workers' places.
    client : distributed.Client or None
        None when no cluster takes part.
    """

    places: tuple[Place, ...]
    executor: Executor
    launcher: Callable[[], Launcher]
    client: Any = None

    def check(self, estimate: MemoryEstimate) -> None:
        """Raise a PlanError, with what would fit, where a worker's memory does not hold what is estimated."""
        known = [place for place in self.places if place.memory]
        machines = [place.machine for place in known]
        check_memory(
            estimate,
            [machines.count(machine) for machine in machines],
            [place.memory for place in known],
            [place.name for place in known],
        )


@contextmanager
def team_of(client: Any, n_workers: int | None, paths: tuple[str, ...]) -> Iterator[Team]:
    """Yield the team for a ``client`` argument; closes only what it opened.

    Parameters
    ----------
    client : distributed.Client, str or None
        A client, a scheduler's address, or None for this machine.
    n_workers : int or None
        Without a client: processes of this machine, by default one with all processors. With a client:
        how many of its workers take part, by default all.
    paths : tuple of str
        Files every worker must be able to read.

    Raises
    ------
    ClusterError
        When workers are missing, run other versions, or cannot read the data.
    """
    if n_workers is not None and n_workers < 1:
        raise UsageError(f"n_workers must be at least 1, found {n_workers}")
    with ExitStack() as stack:
        if client is None:
            yield local_team(n_workers or 1)
            return
        client = stack.enter_context(connected(client))
        places = _places(client, n_workers, paths)
        names = [place.name for place in places]
        yield Team(places, Dask(client, names), lambda: DaskLauncher(client, names), client)


def local_team(n_workers: int) -> Team:
    """Return a team of processes of this machine, which need no Dask cluster to be started and watched."""
    threads, room, machine = max(1, available_processors() // n_workers), spare_memory(), platform.node()
    places = tuple(
        Place(
            "this machine" if n_workers == 1 else f"local worker {worker}",
            "127.0.0.1",
            threads,
            room,
            machine,
        )
        for worker in range(n_workers)
    )
    return Team(places, Threads(), LocalLauncher)


def here_instead(team: Team) -> Team | None:
    """Return one worker of this process, with as many threads, where all of a team's are of its machine; else None."""
    if not all(map(_is_here, team.places)):
        return None
    (own,) = local_team(1).places
    threads = min(own.n_threads, sum(place.n_threads for place in team.places))
    progress.say(f"few rows: trained in this process; n_workers={len(team.places)} would use the cluster")
    return Team((replace(own, n_threads=threads),), Threads(threads), LocalLauncher)


def _is_here(place: Place) -> bool:
    """Return whether a place is of this machine and of its network: containers may share a name."""
    try:
        listen(place.host).close()
    except OSError:
        return False
    return place.machine == platform.node()


def _places(client: Any, n_workers: int | None, paths: tuple[str, ...]) -> tuple[Place, ...]:
    found = client.nthreads()
    if not found:
        raise ClusterError("the Dask cluster has no workers; start some with `dask worker ADDRESS`")
    addresses = sorted(found)
    if n_workers is not None:
        if n_workers > len(addresses):
            raise ClusterError(
                f"n_workers={n_workers} but the cluster has {len(addresses)}; start more or ask for fewer"
            )
        addresses = addresses[:n_workers]
    reports = _ask(client, addresses, paths)
    own = versions()
    for address in addresses:
        report = reports[address]
        if report["versions"] != own:
            differing = [
                f"{name} {report['versions'].get(name)} (here {own[name]})"
                for name in own
                if report["versions"].get(name) != own[name]
            ]
            raise ClusterError(
                f"worker {address} runs {', '.join(differing)}; install the same versions everywhere"
            )
        if report["unreadable"]:
            raise ClusterError(
                f"worker {address} cannot read {report['unreadable']}; every worker must see the data at the same path"
            )
    return alike(
        tuple(
            Place(a, host_of(a), int(found[a]), reports[a]["memory"], reports[a]["machine"])
            for a in addresses
        )
    )


def alike(places: tuple[Place, ...]) -> tuple[Place, ...]:
    """Return the places, which exchange sums of gradients under TLS if their cluster does.

    Raises
    ------
    ClusterError
        When some workers are of TLS and others are not, so that they could not speak with each other but in the clear.
    """
    clear = [place.name for place in places if not place.encrypted]
    if clear and len(clear) < len(places):
        tls = next(place.name for place in places if place.encrypted)
        raise ClusterError(
            f"worker {tls} uses TLS and worker {clear[0]} does not; start all workers of a boosting fit with "
            "TLS, or none"
        )
    return places


def _ask(client: Any, addresses: list[str], paths: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    from distributed import TimeoutError as DaskTimeout

    try:
        answers = client.sync(
            client._run, inspect_worker, paths[:1], workers=addresses, callback_timeout=CHECK_SECONDS
        )
    except (DaskTimeout, TimeoutError, OSError) as error:
        raise ClusterError(
            f"the workers did not answer within {CHECK_SECONDS} s; look at their logs, or restart the frozen one"
        ) from error
    except ModuleNotFoundError as error:
        raise ClusterError(f"a worker lacks a package ({error}); install scalable-training there") from error
    return dict(answers)


def regrouped(team: Team, lost: list[int], policy: str) -> Team:
    """Return the team that carries on after workers were lost.

    Parameters
    ----------
    team : Team
        Of the attempt that failed.
    lost : list of int
        Workers whose process, worker or connection was lost.
    policy : str
        "replace" for as many workers as before, waiting for workers if need be; "shrink" for those left.

    Raises
    ------
    ClusterError
        When no worker is left, or none came to replace the lost ones in time.
    """
    left = [place for worker, place in enumerate(team.places) if worker not in lost]
    if team.client is None:
        places = tuple(left) or team.places[:1] if policy == "shrink" else team.places
        return replace(team, places=places)
    client, wanted = team.client, len(team.places)
    deadline = time.monotonic() + REPLACE_SECONDS
    if policy == "shrink":
        places = tuple(place for place in left if _answers(client, place.name))
        if not places:
            raise ClusterError(
                "no worker is left to carry on with; start workers and resume from the checkpoint"
            )
    else:
        while True:
            threads = client.nthreads()
            # A Dask worker whose process of ours was killed but which itself is well takes part again.
            names = [place.name for place in team.places if place.name in threads]
            names += sorted(set(threads) - set(names))
            places = tuple(
                Place(name, host_of(name), int(threads[name])) for name in names if _answers(client, name)
            )[:wanted]
            if len(places) == wanted:
                break
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"{wanted - len(places)} of {wanted} workers were lost and none came to replace them within "
                    f'{REPLACE_SECONDS:.0f} s; start workers and resume, or fit with on_loss="shrink"'
                )
            time.sleep(0.5)
    alike(places)
    chosen = [place.name for place in places]
    return Team(places, Dask(client, chosen), lambda: DaskLauncher(client, chosen), client)


def _answers(client: Any, address: str) -> bool:
    """Return whether a worker runs what it is asked to; False for one that left, freezes, or is cut off."""
    try:
        client.sync(client._run, os.getpid, workers=[address], callback_timeout=ANSWER_SECONDS)
    except (OSError, RuntimeError):  # no such worker any more, no answer in time, or it is shutting down
        return False
    return True


def versions() -> dict[str, str]:
    """Return the versions that must agree on all workers."""
    from importlib import metadata

    names = ("scalable-training", "lightgbm", "numpy", "pyarrow")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def inspect_worker(paths: tuple[str, ...]) -> dict[str, Any]:
    """Run on a worker: report versions and whether data can be read."""
    import pyarrow.parquet as pq

    unreadable = ""
    for path in paths:
        try:
            pq.read_metadata(arrow_input(path))
        except Exception as error:
            unreadable = f"{path} ({error})"
    return {
        "versions": versions(),
        "unreadable": unreadable,
        "memory": spare_memory(),
        "machine": platform.node(),
    }


def host_of(address: str) -> str:
    """Return the interface a worker's address names, on which the process below it listens too."""
    from distributed.comm.addressing import get_address_host

    return "127.0.0.1" if address.startswith("inproc") else str(get_address_host(address))
