#!/bin/sh
# mlflow/restore.sh FOLDER: loads what backup.sh, or sweep.server backup, has written into the
# server in Docker. This replaces what the server holds; MLflow is stopped meanwhile.
set -eu
if [ $# -ne 1 ] || [ ! -f "$1/mlflow.dump" ] || [ ! -f "$1/mlflow_auth.dump" ] ||
  [ ! -d "$1/artifacts" ]; then
  echo "usage: mlflow/restore.sh FOLDER, where FOLDER was written by backup.sh" >&2
  exit 2
fi
from=$(cd "$1" && pwd)
cd "$(dirname "$0")"
docker compose stop server
docker compose up --detach --wait database objects
for database in mlflow mlflow_auth; do
  docker compose exec -T database dropdb --force --if-exists -U mlflow --maintenance-db postgres \
    "$database"
  docker compose exec -T database createdb -U mlflow --maintenance-db postgres "$database"
  docker compose exec -T database pg_restore --single-transaction --no-owner -U mlflow \
    -d "$database" < "$from/$database.dump"
done
docker compose run --rm -T bucket mkdir objects:mlflow
docker compose run --rm -T --volume "$from/artifacts:/copy:ro" bucket sync /copy objects:mlflow
docker compose up --detach --wait server
echo "restored from $from; users and passwords are those of the back-up"
