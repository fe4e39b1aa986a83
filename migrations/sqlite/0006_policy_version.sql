-- Why: a right that is taken away must end on sockets that are open, and a token made before a password or a role
-- changed must not open another. The tables themselves raise the numbers, in the transaction that changes them,
-- so that no writer, in whatever process, can forget to.

-- Rises with every change of a role, a link, its permissions or a password in the gym, above that of every other
-- gym: who remembers the highest it saw finds the gyms that changed since by one look into the index.
ALTER TABLE gyms ADD COLUMN policy_version INTEGER NOT NULL DEFAULT 0;
CREATE INDEX gyms_policy_version ON gyms (policy_version);

-- How often the password was set anew. A token names the number it was made under.
ALTER TABLE users ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER links_added AFTER INSERT ON links BEGIN
    UPDATE gyms SET policy_version = (SELECT max(policy_version) + 1 FROM gyms) WHERE id = NEW.gym;
END;

CREATE TRIGGER links_changed AFTER UPDATE ON links
WHEN OLD.state IS NOT NEW.state OR OLD.permissions IS NOT NEW.permissions
    OR OLD.coach IS NOT NEW.coach OR OLD.athlete IS NOT NEW.athlete
BEGIN
    UPDATE gyms SET policy_version = (SELECT max(policy_version) + 1 FROM gyms) WHERE id = NEW.gym;
END;

CREATE TRIGGER links_removed AFTER DELETE ON links BEGIN
    UPDATE gyms SET policy_version = (SELECT max(policy_version) + 1 FROM gyms) WHERE id = OLD.gym;
END;

CREATE TRIGGER users_role_changed AFTER UPDATE OF role ON users
WHEN OLD.role IS NOT NEW.role
BEGIN
    UPDATE gyms SET policy_version = (SELECT max(policy_version) + 1 FROM gyms) WHERE id = NEW.gym;
END;

CREATE TRIGGER users_password_changed AFTER UPDATE OF password_hash ON users
WHEN OLD.password_hash IS NOT NEW.password_hash
BEGIN
    UPDATE users SET generation = generation + 1 WHERE id = NEW.id;
    UPDATE gyms SET policy_version = (SELECT max(policy_version) + 1 FROM gyms) WHERE id = NEW.gym;
END;

CREATE TRIGGER users_removed AFTER DELETE ON users BEGIN
    UPDATE gyms SET policy_version = (SELECT max(policy_version) + 1 FROM gyms) WHERE id = OLD.gym;
END;
