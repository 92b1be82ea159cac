"""The statistical model with s^l contexts."""
