-- Why: a command that the server gave up must not be lost with the process that gave it up. An operator reads it,
-- offers it again or discards it. No entity owns this table.

CREATE TABLE dead_letters (
    id uuid NOT NULL PRIMARY KEY,
    gym uuid NOT NULL,
    -- Of the entity: kind/owner/id.
    address text NOT NULL CHECK (address <> ''),
    author uuid NOT NULL,
    command uuid NOT NULL,
    kind text NOT NULL CHECK (kind <> ''),
    clock_offset bigint NOT NULL,
    received_at bigint NOT NULL,
    given_up_at bigint NOT NULL,
    why text NOT NULL,
    -- The command as it came: a frame in JSON.
    frame text NOT NULL CHECK (frame <> '')
);
