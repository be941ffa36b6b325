
-- What the staff site may do with each table, and the kiosk. A table that is not named is not
-- theirs at all: the mailbox, letters, receipts and status words, holds, certificates.
DO $$
DECLARE
    it record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'counterfoil_staff') THEN
        RETURN;
    END IF;
    FOR it IN SELECT * FROM (VALUES
        ('alembic_version', 'SELECT'),
        ('keks', 'SELECT'),
        ('data_keys', 'SELECT, INSERT'),
        ('unsealed', 'SELECT'),
        ('sheets', 'SELECT, INSERT, UPDATE (state, void_reason)'),
        ('intakes', 'SELECT, INSERT, UPDATE (state, pages)'),
        ('arrivals', 'SELECT, INSERT'),
        ('ledger', 'SELECT, INSERT, UPDATE'),
        ('pages', 'SELECT, INSERT, UPDATE'),
        ('records', 'SELECT, INSERT, UPDATE'),
        ('readings', 'SELECT, INSERT'),
        ('drafts', 'SELECT'),
        ('drafts_due', 'SELECT'),
        ('decisions', 'SELECT, INSERT'),
        ('looks', 'SELECT, INSERT, UPDATE, DELETE'),
        ('openings', 'SELECT, INSERT'),
        ('checks', 'SELECT, INSERT, UPDATE (done_at, caught)'),
        ('people_index', 'SELECT, INSERT, DELETE'),
        ('roll_imports', 'SELECT'),
        ('roll_people', 'SELECT'),
        ('apart_imports', 'SELECT'),
        ('apart_pairs', 'SELECT'),
        ('roll_changes', 'SELECT'),
        ('number_aliases', 'SELECT'),
        ('deliveries', 'SELECT, INSERT, UPDATE (state, decided_at, decided_by)'),
        ('staff', 'SELECT, INSERT, UPDATE (password, roles, establishments, wings, active)'),
        ('second_factors', 'SELECT, INSERT, UPDATE, DELETE'),
        ('recovery_codes', 'SELECT, INSERT, DELETE'),
        ('challenges', 'SELECT, INSERT, DELETE'),
        ('people_asks', 'SELECT, INSERT, UPDATE (ended_at, ended_by, outcome, password)'),
        ('sessions', 'SELECT, INSERT, UPDATE, DELETE'),
        ('wrong_tries', 'SELECT, INSERT, UPDATE, DELETE'),
        ('events', 'SELECT, INSERT'),
        ('event_head', 'SELECT, UPDATE'),
        ('backups', 'SELECT'),
        ('erased_scopes', 'SELECT'),
        ('terminals', 'SELECT, INSERT, UPDATE (state, code, code_until, revoked_at, revoked_by)'),
        ('submissions', 'SELECT, UPDATE (state, renewed, ended_at)'),
        ('exports', 'SELECT, INSERT'),
        ('exported', 'INSERT'),
        ('export_asks', 'SELECT, INSERT, UPDATE (agreed_at, agreed_by, fetched_at)'),
        ('packs', 'SELECT, INSERT, UPDATE (fetched_at, digest, "left")'),
        ('tokens', 'SELECT, INSERT, UPDATE (revoked_at, revoked_by, seen_at)'),
        ('alerts', 'SELECT, INSERT, UPDATE (seen_at, seen_by)'),
        ('filings', 'SELECT, INSERT'),
        ('closings', 'SELECT, INSERT, DELETE'),
        ('sendings', 'SELECT, INSERT'),
        ('sent_files', 'SELECT, INSERT'),
        ('replacements', 'SELECT, INSERT'),
        ('box_log', 'SELECT, INSERT'),
        ('cases', 'SELECT, INSERT, UPDATE'),
        ('case_acts', 'SELECT, INSERT'),
        ('case_parties', 'SELECT, INSERT, UPDATE'),
        ('case_tasks', 'SELECT, INSERT, UPDATE, DELETE'),
        ('case_bookings', 'SELECT, INSERT, UPDATE'),
        ('case_papers', 'SELECT, INSERT'),
        ('case_records', 'SELECT, INSERT, UPDATE'),
        ('case_briefs', 'SELECT, INSERT'),
        ('case_marks', 'SELECT, INSERT, UPDATE'),
        ('limits', 'SELECT, INSERT, UPDATE, DELETE'),
        ('closed_days', 'SELECT, INSERT, DELETE'),
        ('reps', 'SELECT, INSERT, UPDATE'),
        ('rep_hours', 'SELECT, INSERT'),
        ('rep_sheets', 'SELECT, INSERT, UPDATE')
    ) AS rights (name, may) LOOP
        IF to_regclass('public.' || it.name) IS NOT NULL THEN
            EXECUTE format('REVOKE ALL ON public.%I FROM counterfoil_staff', it.name);
            EXECUTE format('GRANT %s ON public.%I TO counterfoil_staff', it.may, it.name);
        END IF;
    END LOOP;
    -- Older revisions run this too, before they have the column.
    IF EXISTS (SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('public.staff') AND attname = 'must_change') THEN
        GRANT UPDATE (must_change) ON public.staff TO counterfoil_staff;
    END IF;
    -- The kiosk adds to its mailbox and reads nothing, not even that.
    IF to_regclass('public.mailbox') IS NOT NULL THEN
        GRANT INSERT (name, sealed) ON public.mailbox TO counterfoil_kiosk;
        GRANT USAGE ON SEQUENCE public.mailbox_number_seq TO counterfoil_kiosk;
    END IF;
    -- It asks about one receipt code, terminal or public key at a time, and reads no table.
    FOR it IN SELECT oid::regprocedure AS called FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proname IN (
            'status_word', 'status_terminal', 'status_certificate', 'status_house', 'status_counts',
            'terminal_seen'
        ) LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', it.called);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO counterfoil_kiosk', it.called);
    END LOOP;
END
$$;
