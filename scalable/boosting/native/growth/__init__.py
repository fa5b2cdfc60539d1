"""One tree: its leaves, their histograms, the order in which they split, what they answer."""
