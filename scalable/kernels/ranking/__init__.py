"""Kernels over queries: gradients of rankings, and the measures of their order."""
