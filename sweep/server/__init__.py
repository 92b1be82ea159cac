"""A shared MLflow tracking server on PostgreSQL, as plain processes without Docker."""
