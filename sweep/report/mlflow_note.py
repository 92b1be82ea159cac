"""The note on a sweep's run in MLflow: what was asked, what was found, where to look. Pure.

MLflow shows it as Markdown at the top of the run's page, and keeps links and
images, also relative ones.
"""
