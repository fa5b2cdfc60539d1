"""Sums of columns and of products of columns: for profiles, within classes, and as Gram matrices."""
