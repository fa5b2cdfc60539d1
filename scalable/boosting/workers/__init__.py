"""Worker processes of a boosting job: placement, launching, supervision."""
