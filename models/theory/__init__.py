"""Exact results and bounds for the statistical model: moments, deviation, collapse, thresholds."""
