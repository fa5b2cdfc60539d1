"""Sections of ``python -m bench.records.boosting_numbers``."""
