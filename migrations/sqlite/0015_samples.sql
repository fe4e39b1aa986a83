-- Why: PostgreSQL samples what has grown, of its own accord, and does it with less from here on. SQLite is never asked to;
-- the number is taken so that both count alike.

SELECT 1;
