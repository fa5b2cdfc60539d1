"""Figures of a report: inline SVG whose colours come from the page, so they follow light and dark."""
