-- Why: a set cost two pages beside its journal row, its own and its index's. The only question asked of sets is
-- an athlete's bests in an exercise, so the key itself begins with what that question names. What a set was a
-- set of never changes once it is logged.

CREATE TABLE sets_by_movement (
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    exercise TEXT NOT NULL CHECK (exercise <> ''),
    session BLOB NOT NULL CHECK (length(session) = 16),
    set_id BLOB NOT NULL CHECK (length(set_id) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
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
    PRIMARY KEY (owner, exercise, session, set_id),
    CHECK ((typed IS NULL) = (grams IS NULL) AND (typed IS NULL) = (unit IS NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO sets_by_movement
SELECT owner, exercise, session, set_id, gym, load_kind, set_type, status, at, received_at, typed, unit, grams,
    reps, seconds, metres, rpe_tenths, e1rm
FROM sets;

DROP TABLE sets;
ALTER TABLE sets_by_movement RENAME TO sets;

ANALYZE;
