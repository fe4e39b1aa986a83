-- Why: in PostgreSQL keys are compared by their bytes from here on. SQLite never compared them otherwise; the number is
-- taken so that both count alike.

SELECT 1;
