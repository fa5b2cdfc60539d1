"""Which files a dataset is made of, what their paths say, and the one schema they are read by."""
