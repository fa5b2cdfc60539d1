"""Rows on disk: trees grown from passes over pieces of them, the same bits as in memory."""
