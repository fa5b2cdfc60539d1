"""Learning to rank: the queries of the rows, and how well each is ordered."""
