"""Joins of latest values alone: no window has to be counted, and no event is moved."""
