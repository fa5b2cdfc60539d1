"""Kernels of the linear learners."""
