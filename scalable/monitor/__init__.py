"""Watching models: drift of their columns and predictions, performance with and without labels, alarms with a date."""

from __future__ import annotations

from scalable.monitor.findings import Finding as Finding
from scalable.monitor.profile import Profile as Profile
from scalable.monitor.profile import learn_profile as learn_profile
from scalable.monitor.profile import read_profile as read_profile
from scalable.monitor.profile import save_profile as save_profile
from scalable.monitor.run import Report as Report
from scalable.monitor.run import monitor as monitor
from scalable.monitor.thresholds import Thresholds as Thresholds

__all__ = [
    "Finding",
    "Profile",
    "Report",
    "Thresholds",
    "learn_profile",
    "monitor",
    "read_profile",
    "save_profile",
]
