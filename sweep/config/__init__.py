"""Configuration: composed by Hydra, checked, and turned into typed settings."""
