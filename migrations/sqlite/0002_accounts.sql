-- Who trains and coaches in which gym, what coaches prescribe, and which sign-ins are still good.
-- Written by HTTP and command-line transactions only: no entity owns a row here.
-- Ids are UUIDs in 16 bytes, times whole microseconds UTC.

CREATE TABLE gyms (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    slug       TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- An account belongs to one gym; one person in two gyms has two accounts.
CREATE TABLE users (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    gym           BLOB    NOT NULL REFERENCES gyms (id),
    email         TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    role          TEXT    NOT NULL CHECK (role IN ('athlete', 'coach', 'gym_owner', 'admin')),
    password_hash TEXT,             -- absent: the account cannot sign in yet
    created_at    INTEGER NOT NULL,
    UNIQUE (gym, email)
) STRICT;

CREATE TABLE links (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    gym         BLOB    NOT NULL REFERENCES gyms (id),
    coach       BLOB    NOT NULL REFERENCES users (id),
    athlete     BLOB    NOT NULL REFERENCES users (id),
    state       TEXT    NOT NULL CHECK (state IN ('invited', 'active', 'ended')),
    permissions TEXT    NOT NULL,   -- names joined by commas: 'view_sessions,message'
    created_at  INTEGER NOT NULL,
    UNIQUE (coach, athlete)
) STRICT;
-- The other direction: who coaches this athlete.
CREATE INDEX links_athlete ON links (athlete);

-- A revision never changes: a session that copied it must read the same for ever.
CREATE TABLE workouts (
    gym        BLOB    NOT NULL REFERENCES gyms (id),
    id         BLOB    NOT NULL CHECK (length(id) = 16),
    revision   INTEGER NOT NULL CHECK (revision >= 1),
    title      TEXT    NOT NULL,
    body       TEXT    NOT NULL,    -- the protocol's workout as JSON
    created_at INTEGER NOT NULL,
    PRIMARY KEY (gym, id, revision)
) STRICT;

-- A used token stays until it expires, so that its second use is noticed and ends the family.
CREATE TABLE refresh_tokens (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    family     BLOB    NOT NULL,
    user       BLOB    NOT NULL REFERENCES users (id),
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT;
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user, expires_at);
