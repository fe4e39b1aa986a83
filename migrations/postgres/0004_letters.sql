-- Why: entities speak to each other by letters, wake up by reminders, and messages have a history. A letter is
-- written beside the events that caused it and deleted beside the events it causes, so it is carried exactly
-- once; a reminder is deleted beside what it caused.

-- Letters under way, to the inbox of `recipient`. Their ids grow: letters of one pair are carried in order.
-- Transactions of the accounts write here as well; only the recipient's inbox deletes.
CREATE TABLE letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient uuid NOT NULL,
    gym uuid NOT NULL,
    author uuid NOT NULL,
    command uuid NOT NULL,
    at bigint NOT NULL,
    kind text NOT NULL CHECK (kind <> ''),
    body bytea NOT NULL
);

CREATE INDEX letters_of_recipient ON letters (recipient, id);

-- When an entity wants to be asked whether something is due. Never later than it is due; earlier is allowed.
CREATE TABLE reminders (
    owner uuid NOT NULL,
    kind text NOT NULL CHECK (kind <> ''),
    id uuid NOT NULL,
    gym uuid NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (owner, kind, id)
);

CREATE INDEX reminders_due ON reminders (at);

CREATE TABLE messages (
    owner uuid NOT NULL,
    peer uuid NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    message uuid NOT NULL,
    gym uuid NOT NULL,
    mine boolean NOT NULL,
    text text NOT NULL,
    -- The address of the session it is about, as text.
    about text,
    at bigint NOT NULL,
    PRIMARY KEY (owner, peer, version)
);
