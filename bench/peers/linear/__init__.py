"""Contenders at logistic regression on numeric columns."""
