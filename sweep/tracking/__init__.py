"""Experiment trackers: the protocol, MLflow and a folder, URIs and provenance."""
