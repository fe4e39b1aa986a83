-- Why: PostgreSQL compresses snapshots, and does it faster from here on. SQLite stores them as they are; the number is
-- taken so that both count alike.

SELECT 1;
