"""Parquet files that tests of readers write."""

import pyarrow.parquet as pq

from scalable.data.footers import read_footers


def write(path, table, row_group_size=700, **options):
    pq.write_table(table, path, row_group_size=row_group_size, **options)
    (footer,), (schema,) = read_footers([str(path)])
    return footer, schema
