-- Why: what is part of a key is compared by its bytes from here on, as SQLite compares it. Compared by the rules of a
-- language, which most servers are set up with, its order changes when the system's library is brought up to date: the
-- indexes of before no longer find what is there, and let keys in twice.

ALTER TABLE entities ALTER COLUMN kind TYPE text COLLATE "C";
ALTER TABLE reminders ALTER COLUMN kind TYPE text COLLATE "C";
ALTER TABLE sets ALTER COLUMN exercise TYPE text COLLATE "C";
ALTER TABLE gyms ALTER COLUMN slug TYPE text COLLATE "C";
ALTER TABLE users ALTER COLUMN email TYPE text COLLATE "C";
