-- Why: who began to train was asked for all sets they ever did of an exercise: a third of the server's processor time at
-- full load, and more with every week of training. A session that comes to rest leaves a row for each exercise; their
-- bests are found in these rows, and in the sets of sessions that are running.

-- What a session did of an exercise, over the sets that count.
CREATE TABLE bests (
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    exercise TEXT NOT NULL CHECK (exercise <> ''),
    session BLOB NOT NULL CHECK (length(session) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    -- When the first and the last of those sets were done; absent when there are none.
    first_at INTEGER,
    last_at INTEGER,
    heaviest INTEGER,
    e1rm INTEGER,
    -- The heaviest load for at least one, two … ten repetitions, as a list in JSON.
    rep_max TEXT NOT NULL,
    PRIMARY KEY (owner, exercise, session),
    CHECK ((heaviest IS NULL) = (first_at IS NULL) AND (heaviest IS NULL) = (last_at IS NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO bests
SELECT owner, exercise, session, gym, min(at), max(at), max(grams), max(e1rm),
    '[' || rtrim(
        coalesce(max(CASE WHEN reps >= 1 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 2 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 3 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 4 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 5 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 6 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 7 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 8 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 9 THEN grams END) || ',', '')
        || coalesce(max(CASE WHEN reps >= 10 THEN grams END) || ',', ''),
        ',') || ']'
FROM sets
WHERE status = 'performed' AND set_type <> 'warmup' AND load_kind IN ('external', 'per_hand', 'stack') AND grams > 0
    AND NOT EXISTS (SELECT 1 FROM sessions WHERE sessions.owner = sets.owner AND sessions.session = sets.session
        AND phase IN ('live', 'paused'))
GROUP BY owner, exercise, session, gym;
