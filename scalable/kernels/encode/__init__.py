"""Kernels that turn raw columns into numbers."""
