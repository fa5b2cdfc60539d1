"""The latency laboratory: engines side by side."""
