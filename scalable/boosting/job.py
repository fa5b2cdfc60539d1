"""What a rank is told, what it answers, and how the two travel over the pipes of its process."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from typing import IO, Any

from scalable.data.encoders.tree import TreeEncoder
from scalable.data.planned import Source

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class RankJob:
    """One rank's part of one attempt at a fit; picklable.

    Attributes
    ----------
    fit : str
        Identifies the attempt.
    rank, n_ranks : int
        Place of this rank.
    host : str
        Address on which this rank listens for its peers.
    secret : bytes
        Shared by the ranks of this attempt.
    source : Source
        This rank's shards.
    encoder : TreeEncoder
        The same for all ranks.
    reference : bytes
        Serialised bins, the same for all ranks.
    dataset_params, params : dict
        For the dataset and for the booster.
    n_rounds : int
        Iterations to train.
    n_threads : int
        Threads of this rank.
    silence : float
        Seconds without a byte after which a peer counts as lost.
    """

    fit: str
    rank: int
    n_ranks: int
    host: str
    secret: bytes
    source: Source
    encoder: TreeEncoder
    reference: bytes
    dataset_params: dict[str, Any]
    params: dict[str, Any]
    n_rounds: int
    n_threads: int
    n_scores: int = 1
    silence: float = 20.0


@dataclass(slots=True)
class Outcome:
    """How a rank ended.

    Attributes
    ----------
    status : str
        "done", "lost" (a peer was lost), "error" (an exception here), "died" (the process ended by
        itself or was killed) or "stopped" (the driver asked).
    rank : int
        Who.
    peer : int or None
        For "lost", which peer.
    error : Exception or None
        For "error", the original exception.
    reason : str
        For "lost" and "died", what was seen.
    text : str
        For "done" on rank 0, the model text.
    stats : dict
        Seconds, bytes, memory.
    """

    status: str
    rank: int
    peer: int | None = None
    error: Exception | None = None
    reason: str = ""
    text: str = ""
    stats: dict[str, Any] = field(default_factory=dict)


def write_frame(stream: IO[bytes], message: Any) -> None:
    """Write one message; pipes between parent and child only, never files."""
    data = pickle.dumps(message, protocol=5)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises
    ------
    EOFError
        When the other side closed the pipe.
    """
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    length = _LENGTH.unpack(head)[0]
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return pickle.loads(data)
