-- Why: what the engine makes durable, and what it looks up in. The journal is the truth; entities, sessions and
-- sets are written beside it in the same transaction; snapshots may be thrown away. Where an owner's things are
-- looked up, the key begins with the owner. Ids are 16 bytes, times are microseconds UTC, loads are grams.

-- Names this history: a restored copy of another one voids the versions that clients remember.
CREATE TABLE meta (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    incarnation BLOB NOT NULL CHECK (length(incarnation) = 16)
) STRICT;

INSERT INTO meta (only, incarnation) VALUES (1, randomblob(16));

-- Who may write for the owners of a shard. Every write of an entity joins its row.
CREATE TABLE shards (
    shard INTEGER PRIMARY KEY CHECK (shard BETWEEN 0 AND 1023),
    epoch INTEGER NOT NULL DEFAULT 0,
    node BLOB CHECK (length(node) = 16)
) STRICT;

WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1023)
INSERT INTO shards (shard) SELECT n FROM numbers;

CREATE TABLE entities (
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    kind TEXT NOT NULL CHECK (kind <> ''),
    id BLOB NOT NULL CHECK (length(id) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    stream BLOB NOT NULL CHECK (length(stream) = 16),
    first_version INTEGER NOT NULL CHECK (first_version >= 1),
    PRIMARY KEY (owner, kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    stream BLOB NOT NULL CHECK (length(stream) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    epoch INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind <> ''),
    schema INTEGER NOT NULL CHECK (schema >= 1),
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    device_at INTEGER NOT NULL,
    -- Server minus device clock, in microseconds.
    clock_offset INTEGER NOT NULL,
    author BLOB NOT NULL CHECK (length(author) = 16),
    command BLOB NOT NULL CHECK (length(command) = 16),
    client BLOB NOT NULL CHECK (length(client) = 16),
    n INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (stream, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshots (
    stream BLOB NOT NULL PRIMARY KEY CHECK (length(stream) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    schema INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    session BLOB NOT NULL CHECK (length(session) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    phase TEXT NOT NULL,
    title TEXT NOT NULL,
    workout BLOB CHECK (length(workout) = 16),
    revision INTEGER,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    -- The version at which the rest of the row was true.
    version INTEGER NOT NULL CHECK (version >= 1),
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    volume_g INTEGER NOT NULL,
    PRIMARY KEY (owner, session),
    CHECK ((workout IS NULL) = (revision IS NULL))
) STRICT, WITHOUT ROWID;

-- A wall that opens asks for these of all its athletes.
CREATE INDEX sessions_running ON sessions (owner, started_at) WHERE phase IN ('live', 'paused');

CREATE TABLE sets (
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    session BLOB NOT NULL CHECK (length(session) = 16),
    set_id BLOB NOT NULL CHECK (length(set_id) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    exercise TEXT NOT NULL CHECK (exercise <> ''),
    load_kind TEXT NOT NULL,
    set_type TEXT NOT NULL,
    status TEXT NOT NULL,
    at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    -- The load as typed, in thousandths of the unit, and what it is in grams.
    typed INTEGER,
    unit TEXT,
    grams INTEGER,
    reps INTEGER,
    seconds INTEGER,
    metres INTEGER,
    rpe_tenths INTEGER,
    e1rm INTEGER,
    PRIMARY KEY (owner, session, set_id),
    CHECK ((typed IS NULL) = (grams IS NULL) AND (typed IS NULL) = (unit IS NULL))
) STRICT, WITHOUT ROWID;

-- An athlete's bests in an exercise, before a moment.
CREATE INDEX sets_by_exercise ON sets (owner, exercise, at);

-- Without statistics the join of a write with shards is planned ten times slower.
ANALYZE;
