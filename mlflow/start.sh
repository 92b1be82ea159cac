#!/bin/sh
# Runs in the container of MLflow: starts the server, with users and passwords.
set -eu
umask 077
case "$POSTGRES_PASSWORD" in
  *[!A-Za-z0-9_-]*)
    echo "POSTGRES_PASSWORD: allowed: letters, digits, _ and -, as openssl rand -hex 24 gives" >&2
    exit 2 ;;
esac
address="postgresql+psycopg2://mlflow:$POSTGRES_PASSWORD@$POSTGRES_HOST"
export MLFLOW_BACKEND_STORE_URI="$address/mlflow"
export MLFLOW_AUTH_CONFIG_PATH="${TMPDIR:-/tmp}/auth.ini"
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
export MLFLOW_DISABLE_TELEMETRY=true
# EDIT: the users of a laboratory share grids, and so each other's experiments.
# The cache saves a slow hash per request; a changed password stays valid for as long.
cat > "$MLFLOW_AUTH_CONFIG_PATH" <<END
[mlflow]
default_permission = EDIT
database_uri = $address/mlflow_auth
auth_cache_ttl_seconds = 60
END
# gunicorn: uvicorn with more than one worker adds 40 ms to every request, see README.md.
exec mlflow server --app-name basic-auth --host 0.0.0.0 --port "${PORT:-5000}" --serve-artifacts \
  --gunicorn-opts "--worker-class gthread --threads 8 --keep-alive 30 --timeout 120 \
    --no-control-socket"
