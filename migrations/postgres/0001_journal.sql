-- Why: what the engine makes durable, and what it looks up in. The journal is the truth; entities, sessions and
-- sets are written beside it by the same statement; snapshots may be thrown away. Where an owner's things are
-- looked up, the key begins with the owner. Times are microseconds UTC, loads are grams.
--
-- The tables are those of SQLite, migration by migration; a test compares their names and columns.

-- Names this history: a restored copy of another one voids the versions that clients remember.
CREATE TABLE meta (
    "only" smallint PRIMARY KEY CHECK ("only" = 1),
    incarnation uuid NOT NULL
);

INSERT INTO meta ("only", incarnation) VALUES (1, gen_random_uuid());

-- Who may write for the owners of a shard. Every write of an entity locks its row against a claim. The rows of a
-- page leave it room for their next version.
CREATE TABLE shards (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 1023),
    epoch bigint NOT NULL DEFAULT 0,
    node uuid
) WITH (fillfactor = 50);

INSERT INTO shards (shard) SELECT * FROM generate_series(0, 1023);

CREATE TABLE entities (
    owner uuid NOT NULL,
    kind text NOT NULL CHECK (kind <> ''),
    id uuid NOT NULL,
    gym uuid NOT NULL,
    stream uuid NOT NULL,
    first_version bigint NOT NULL CHECK (first_version >= 1),
    PRIMARY KEY (owner, kind, id)
);

-- A stream is a UUIDv7 that the server made: it lies in the part of the month in which it began.
CREATE TABLE journal (
    stream uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    epoch bigint NOT NULL,
    kind text NOT NULL CHECK (kind <> ''),
    schema integer NOT NULL CHECK (schema >= 1),
    at bigint NOT NULL,
    received_at bigint NOT NULL,
    device_at bigint NOT NULL,
    -- Server minus device clock, in microseconds.
    clock_offset bigint NOT NULL,
    author uuid NOT NULL,
    command uuid NOT NULL,
    client uuid NOT NULL,
    n bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (stream, version)
) PARTITION BY RANGE (stream);

-- Streams of a server whose clock was far off.
CREATE TABLE journal_other PARTITION OF journal DEFAULT;

-- The least stream of a month.
CREATE FUNCTION spotter_month_begins(month date) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex((extract(epoch FROM date_trunc('month', month::timestamp)) * 1000)::bigint), 12, '0')
        || repeat('0', 20))::uuid
$$;

-- Makes the part of the journal for a month, when it is not there yet. Attached instead of created in place: appends
-- to other months go on meanwhile.
CREATE FUNCTION spotter_open_month(month date) RETURNS boolean LANGUAGE plpgsql AS $$
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
    RETURN true;
END
$$;

-- Ends a statement that has not written all it was to write: then nothing of it is written.
CREATE FUNCTION spotter_whole(whole boolean) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF NOT whole THEN
        RAISE EXCEPTION 'not all rows of a batch go in: none is written, and its parts are offered one by one'
            USING ERRCODE = 'SP001';
    END IF;
    RETURN true;
END
$$;

CREATE TABLE snapshots (
    stream uuid NOT NULL PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    schema integer NOT NULL,
    body bytea NOT NULL
);

CREATE TABLE sessions (
    owner uuid NOT NULL,
    session uuid NOT NULL,
    gym uuid NOT NULL,
    phase text NOT NULL,
    title text NOT NULL,
    workout uuid,
    revision bigint,
    started_at bigint NOT NULL,
    finished_at bigint,
    -- The version at which the rest of the row was true.
    version bigint NOT NULL CHECK (version >= 1),
    done bigint NOT NULL,
    total bigint NOT NULL,
    volume_g bigint NOT NULL,
    PRIMARY KEY (owner, session),
    CHECK ((workout IS NULL) = (revision IS NULL))
) WITH (fillfactor = 80);

-- A wall that opens asks for these of all its athletes.
CREATE INDEX sessions_running ON sessions (owner, started_at) WHERE phase IN ('live', 'paused');

-- The key begins with what an athlete's bests are asked by.
CREATE TABLE sets (
    owner uuid NOT NULL,
    exercise text NOT NULL CHECK (exercise <> ''),
    session uuid NOT NULL,
    set_id uuid NOT NULL,
    gym uuid NOT NULL,
    load_kind text NOT NULL,
    set_type text NOT NULL,
    status text NOT NULL,
    at bigint NOT NULL,
    received_at bigint NOT NULL,
    -- The load as typed, in thousandths of the unit, and what it is in grams.
    typed bigint,
    unit text,
    grams bigint,
    reps bigint,
    seconds bigint,
    metres bigint,
    rpe_tenths bigint,
    e1rm bigint,
    PRIMARY KEY (owner, exercise, session, set_id),
    CHECK ((typed IS NULL) = (grams IS NULL) AND (typed IS NULL) = (unit IS NULL))
);

-- Without statistics the lock of the shards' rows is planned ten times slower.
ANALYZE shards;
