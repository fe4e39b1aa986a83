-- Why: who serves from this file says so, as it does in PostgreSQL; here the lock beside the file decides.

CREATE TABLE nodes (
    -- A new one for each start of a process.
    node BLOB NOT NULL PRIMARY KEY CHECK (length(node) = 16),
    address TEXT NOT NULL,
    build TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A file has one course of history.
ALTER TABLE meta ADD COLUMN timeline TEXT NOT NULL DEFAULT '';
