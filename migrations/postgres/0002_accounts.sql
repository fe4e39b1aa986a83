-- Who trains and coaches in which gym, what coaches prescribe, and which sign-ins are still good.
-- Written by HTTP and command-line transactions only: no entity owns a row here.

CREATE TABLE gyms (
    id         uuid   NOT NULL PRIMARY KEY,
    slug       text   NOT NULL UNIQUE,
    name       text   NOT NULL,
    created_at bigint NOT NULL
);

-- An account belongs to one gym; one person in two gyms has two accounts.
CREATE TABLE users (
    id            uuid   NOT NULL PRIMARY KEY,
    gym           uuid   NOT NULL REFERENCES gyms (id),
    email         text   NOT NULL,
    name          text   NOT NULL,
    role          text   NOT NULL CHECK (role IN ('athlete', 'coach', 'gym_owner', 'admin')),
    password_hash text,             -- absent: the account cannot sign in yet
    created_at    bigint NOT NULL,
    UNIQUE (gym, email)
);

CREATE TABLE links (
    id          uuid   NOT NULL PRIMARY KEY,
    gym         uuid   NOT NULL REFERENCES gyms (id),
    coach       uuid   NOT NULL REFERENCES users (id),
    athlete     uuid   NOT NULL REFERENCES users (id),
    state       text   NOT NULL CHECK (state IN ('invited', 'active', 'ended')),
    permissions text   NOT NULL,   -- names joined by commas: 'view_sessions,message'
    created_at  bigint NOT NULL,
    UNIQUE (coach, athlete)
);
-- The other direction: who coaches this athlete.
CREATE INDEX links_athlete ON links (athlete);

-- A revision never changes: a session that copied it must read the same for ever.
CREATE TABLE workouts (
    gym        uuid   NOT NULL REFERENCES gyms (id),
    id         uuid   NOT NULL,
    revision   bigint NOT NULL CHECK (revision >= 1),
    title      text   NOT NULL,
    body       text   NOT NULL,    -- the protocol's workout as JSON
    created_at bigint NOT NULL,
    PRIMARY KEY (gym, id, revision)
);

-- A used token stays until it expires, so that its second use is noticed and ends the family.
CREATE TABLE refresh_tokens (
    hash       bytea  NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    family     uuid   NOT NULL,
    "user"     uuid   NOT NULL REFERENCES users (id),
    expires_at bigint NOT NULL,
    used_at    bigint
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_user ON refresh_tokens ("user", expires_at);
