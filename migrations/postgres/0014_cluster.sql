-- Why: several nodes may serve from one database, each the shards that are its own. A node that serves alone says so, and
-- nobody joins it; one that is about to end is given no more.

ALTER TABLE nodes ADD COLUMN shares boolean NOT NULL DEFAULT false;
ALTER TABLE nodes ADD COLUMN leaving boolean NOT NULL DEFAULT false;
