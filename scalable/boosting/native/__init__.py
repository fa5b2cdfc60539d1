"""The engine that grows trees here: integer histograms, the same bits on any number of threads, LightGBM's text."""
