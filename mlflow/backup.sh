#!/bin/sh
# mlflow/backup.sh FOLDER: saves databases and artifacts of the server in Docker to a new folder.
# The server keeps running. `python -m sweep.server restore` reads the back-up as well, except for
# the admin's password, which is in .env here.
set -eu
if [ $# -ne 1 ] || [ -e "$1" ]; then
  echo "usage: mlflow/backup.sh FOLDER, where FOLDER does not exist yet" >&2
  exit 2
fi
umask 077
mkdir -p "$1.new/artifacts"
new=$(cd "$1.new" && pwd)
cd "$(dirname "$0")"
# Databases come first, so that every artifact that they name can still be copied.
for database in mlflow mlflow_auth; do
  docker compose exec -T database pg_dump -Fc -U mlflow "$database" > "$new/$database.dump"
done
docker compose run --rm -T --user "$(id -u):$(id -g)" --volume "$new/artifacts:/copy" \
  bucket sync objects:mlflow /copy
mv "$new" "${new%.new}"
echo "backed up: ${new%.new}; it holds the users and their hashed passwords"
