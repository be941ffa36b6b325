#!/bin/sh
# Run once by the database's image when it makes the database: the roles, each with its password.
set -eu
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f /roles.sql
for role in migrator staff worker kiosk; do
    psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -v role="counterfoil_$role" \
        -v secret="$DATABASE_PASSWORD" <<'SQL'
ALTER ROLE :"role" PASSWORD :'secret';
SQL
done
