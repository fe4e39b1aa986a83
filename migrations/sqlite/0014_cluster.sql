-- Why: several nodes may serve from one database of PostgreSQL. Who serves from a file serves alone.

ALTER TABLE nodes ADD COLUMN shares INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN policy_version INTEGER NOT NULL DEFAULT 0;
