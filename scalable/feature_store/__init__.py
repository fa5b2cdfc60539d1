"""Features with time: defined in a file, joined as they were known then, looked up as they are known now.

Offline and online give the same bits: windows are summed in whole numbers, and both roads see an event from the
moment it was created.
"""

from __future__ import annotations

from scalable.feature_store.check import check_leaks as check_leaks
from scalable.feature_store.definitions import Definitions as Definitions
from scalable.feature_store.join import point_in_time_join as point_in_time_join
from scalable.feature_store.online.materialize import materialize as materialize
from scalable.feature_store.online.materialize import push as push
from scalable.feature_store.online.store import OnlineStore as OnlineStore
from scalable.feature_store.read_definitions import read_definitions as read_definitions

__all__ = [
    "Definitions",
    "OnlineStore",
    "check_leaks",
    "materialize",
    "point_in_time_join",
    "push",
    "read_definitions",
]
