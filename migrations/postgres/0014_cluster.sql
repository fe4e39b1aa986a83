-- Why: several nodes may serve from one database, each the shards that are its own. A node that serves alone says so, and
-- nobody joins it; one that is about to end is given no more. What a closed gym has may go once every node has seen that
-- it is closed: each says which changes of rights it has seen, and has nothing awake of gyms that were closed by them.

ALTER TABLE nodes ADD COLUMN shares boolean NOT NULL DEFAULT false;
ALTER TABLE nodes ADD COLUMN leaving boolean NOT NULL DEFAULT false;
ALTER TABLE nodes ADD COLUMN policy_version bigint NOT NULL DEFAULT 0;
