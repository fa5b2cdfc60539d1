"""Means of the target by category, shrunken, and cross-fitted for the rows they were learned from.

`means` holds the tables, `learn` the pass that fills them, `shrinkage` how far a category's own mean is believed,
`pairs` and `interactions` two columns taken together and which ones are worth it.
"""
