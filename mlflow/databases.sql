-- Users and permissions, apart from the runs: MLflow migrates the two on their own.
CREATE DATABASE mlflow_auth OWNER mlflow;
