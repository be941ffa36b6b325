-- Makes the roles of counterfoil in its database on a PostgreSQL server. Run it once as the
-- server's administrator, connected to that database, before the first upgrade; again does no harm:
--
--     counterfoil database roles | psql -v ON_ERROR_STOP=1 DATABASE
--
-- Then give those that sign in a password (\password counterfoil_worker), and upgrade as
-- counterfoil_migrator. pg_dump needs --enable-row-security as any of these, or an administrator.

DO $$
DECLARE
    new text;
BEGIN
    FOREACH new IN ARRAY ARRAY['owner', 'migrator', 'staff', 'worker', 'kiosk'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'counterfoil_' || new) THEN
            EXECUTE format(
                'CREATE ROLE %I %s', 'counterfoil_' || new,
                CASE new WHEN 'owner' THEN 'NOLOGIN' ELSE 'LOGIN' END
            );
        END IF;
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO counterfoil_migrator, counterfoil_staff, '
        'counterfoil_worker, counterfoil_kiosk', current_database()
    );
    EXECUTE format('GRANT CREATE ON DATABASE %I TO counterfoil_owner', current_database());
END
$$;

-- Who upgrades acts as the owner, so that every table is the owner's, who cannot sign in.
GRANT counterfoil_owner TO counterfoil_migrator;
ALTER ROLE counterfoil_migrator SET role = 'counterfoil_owner';

CREATE SCHEMA IF NOT EXISTS dbos AUTHORIZATION counterfoil_owner;
ALTER SCHEMA public OWNER TO counterfoil_owner;
REVOKE ALL ON SCHEMA public, dbos FROM PUBLIC;
GRANT USAGE ON SCHEMA public, dbos TO counterfoil_staff, counterfoil_worker;
GRANT USAGE ON SCHEMA public TO counterfoil_kiosk;

-- Of tables that are made later, and of those that are there: the worker's. What the staff site
-- and the kiosk need of each is in `rights.sql`, which follows here and is run by each upgrade.
ALTER DEFAULT PRIVILEGES FOR ROLE counterfoil_owner
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO counterfoil_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE counterfoil_owner REVOKE ALL ON TABLES FROM counterfoil_staff;
ALTER DEFAULT PRIVILEGES FOR ROLE counterfoil_owner IN SCHEMA dbos
    GRANT SELECT, INSERT, UPDATE ON TABLES TO counterfoil_staff;
ALTER DEFAULT PRIVILEGES FOR ROLE counterfoil_owner
    GRANT USAGE ON SEQUENCES TO counterfoil_staff, counterfoil_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, dbos TO counterfoil_worker;
REVOKE ALL ON ALL TABLES IN SCHEMA public, dbos FROM counterfoil_staff;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA dbos TO counterfoil_staff;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public, dbos TO counterfoil_staff, counterfoil_worker;
