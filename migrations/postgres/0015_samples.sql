-- Why: each minute PostgreSQL samples the tables that have grown by a tenth. 30,000 rows of the journal took a core a
-- quarter of a second, nearly all for columns that nobody searches by, and of 10,000 sets a second those of that moment
-- waited for up to 0.15 s. These tables are asked by their keys: a tenth of the sample tells as much.

CREATE FUNCTION spotter_sample_less(grows regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE (
        SELECT format('ALTER TABLE %s ', grows) || string_agg(format('ALTER COLUMN %I SET STATISTICS 10', attname), ', ')
        FROM pg_attribute WHERE attrelid = grows AND attnum > 0 AND NOT attisdropped
    );
END
$$;

SELECT spotter_sample_less(grows) FROM unnest(
    '{journal, snapshots, entities, sessions, sets, bests, letters, messages, reminders}'::regclass[]
) AS grows;

-- As before, and a month's part is sampled as the journal is.
CREATE OR REPLACE FUNCTION spotter_open_month(month date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    part text := 'journal_' || to_char(month, 'YYYYMM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spotter months'));
    IF to_regclass(part) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE journal INCLUDING CONSTRAINTS)', part);
    EXECUTE format('ALTER TABLE journal ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
        spotter_month_begins(month), spotter_month_begins((month + interval '1 month')::date));
    PERFORM spotter_sample_less(part::regclass);
    RETURN true;
END
$$;
