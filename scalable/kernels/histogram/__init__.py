"""Growing trees on binned rows: packed gradients, histograms, splits, partitions, leaves."""
