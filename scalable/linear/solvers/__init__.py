"""Solvers of the linear learners."""
