"""Kernels of events in time: grouping by entity, sliding windows, single lookups."""
