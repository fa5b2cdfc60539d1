"""Kernels that evaluate compiled forests."""
