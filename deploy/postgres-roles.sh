#!/bin/sh
# Run once by the database's image when it makes the database: the roles, each that
# something here signs in as with a password of its own.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f /roles.sql
set_password() {
    psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v role="counterfoil_$1" \
        -v secret="$2" <<'SQL'
ALTER ROLE :"role" PASSWORD :'secret';
SQL
}
set_password migrator "$DATABASE_PASSWORD_MIGRATOR"
set_password staff "$DATABASE_PASSWORD_STAFF"
set_password worker "$DATABASE_PASSWORD_WORKER"
