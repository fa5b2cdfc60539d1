"""From Parquet to blocks: planning from footers, decoding, profiling, encoding, storing models."""
