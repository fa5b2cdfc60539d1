"""Datasets on disk: files in parallel, journals, shares of several machines."""
