-- Why: a command that the server gave up must not be lost with the process that gave it up. An operator reads it,
-- offers it again or discards it. No entity owns this table.

CREATE TABLE dead_letters (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    -- Of the entity: kind/owner/id.
    address TEXT NOT NULL CHECK (address <> ''),
    author BLOB NOT NULL CHECK (length(author) = 16),
    command BLOB NOT NULL CHECK (length(command) = 16),
    kind TEXT NOT NULL CHECK (kind <> ''),
    clock_offset INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    given_up_at INTEGER NOT NULL,
    why TEXT NOT NULL,
    -- The command as it came: a frame in JSON.
    frame TEXT NOT NULL CHECK (frame <> '')
) STRICT, WITHOUT ROWID;
