-- Why: in SQLite the key of the sets changed here. In PostgreSQL they have had it from the start; the number is taken
-- so that both count alike.

SELECT 1;
