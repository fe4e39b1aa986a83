-- Why: who serves from this database says so, and says it again each second. Another may take the shards only when
-- it has fallen silent by the clock of the database.

CREATE TABLE nodes (
    -- A new one for each start of a process.
    node uuid NOT NULL PRIMARY KEY,
    address text NOT NULL,
    build text NOT NULL,
    started_at bigint NOT NULL,
    renewed_at bigint NOT NULL
);

-- The course of the server's history under which the incarnation was given: a server that is promoted without all
-- that was acknowledged begins another.
ALTER TABLE meta ADD COLUMN timeline text NOT NULL DEFAULT '';
