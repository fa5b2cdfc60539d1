"""Means of the target by category, cross-fitted and shrunken."""
