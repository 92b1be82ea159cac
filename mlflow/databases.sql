-- Users and permissions are apart from the runs: MLflow migrates the two separately.
CREATE DATABASE mlflow_auth OWNER mlflow;
