-- Why: entities speak to each other by letters, wake up by reminders, and messages have a history. A letter is
-- written beside the events that caused it and deleted beside the events it causes, so it is carried exactly
-- once; a reminder is deleted beside what it caused.

-- Letters under way, to the inbox of `recipient`. Their ids grow: letters of one pair are carried in order.
-- Transactions of the accounts write here as well; only the recipient's inbox deletes.
CREATE TABLE letters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    recipient BLOB NOT NULL CHECK (length(recipient) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    author BLOB NOT NULL CHECK (length(author) = 16),
    command BLOB NOT NULL CHECK (length(command) = 16),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind <> ''),
    body BLOB NOT NULL
) STRICT;

CREATE INDEX letters_of_recipient ON letters (recipient, id);

-- When an entity wants to be asked whether something is due. Never later than it is due; earlier is allowed.
CREATE TABLE reminders (
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    kind TEXT NOT NULL CHECK (kind <> ''),
    id BLOB NOT NULL CHECK (length(id) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    at INTEGER NOT NULL,
    PRIMARY KEY (owner, kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX reminders_due ON reminders (at);

CREATE TABLE messages (
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    peer BLOB NOT NULL CHECK (length(peer) = 16),
    version INTEGER NOT NULL CHECK (version >= 1),
    message BLOB NOT NULL CHECK (length(message) = 16),
    gym BLOB NOT NULL CHECK (length(gym) = 16),
    mine INTEGER NOT NULL CHECK (mine IN (0, 1)),
    text TEXT NOT NULL,
    -- The address of the session it is about, as text.
    about TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (owner, peer, version)
) STRICT, WITHOUT ROWID;

ANALYZE;
