-- Why: a gym can be removed with everything of it beside a running node. It is closed first, and what it has goes in
-- portions afterwards; who is of a closed gym is told what somebody of no gym is told.

ALTER TABLE gyms ADD COLUMN closed_at INTEGER;

-- The highest policy version of the gyms that are gone. Whoever remembers the highest they saw would miss changes if
-- numbers came again.
ALTER TABLE meta ADD COLUMN policy_version INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER gyms_removed AFTER DELETE ON gyms BEGIN
    UPDATE meta SET policy_version = max(policy_version, OLD.policy_version);
END;

CREATE TRIGGER gyms_closed AFTER UPDATE OF closed_at ON gyms
WHEN OLD.closed_at IS NOT NEW.closed_at
BEGIN
    UPDATE gyms SET policy_version = 1 + max((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta))
    WHERE id = NEW.id;
END;

-- Those of migration 6, which knew nothing of gyms that are gone.
DROP TRIGGER links_added;
CREATE TRIGGER links_added AFTER INSERT ON links BEGIN
    UPDATE gyms SET policy_version = 1 + max((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta))
    WHERE id = NEW.gym;
END;

DROP TRIGGER links_changed;
CREATE TRIGGER links_changed AFTER UPDATE ON links
WHEN OLD.state IS NOT NEW.state OR OLD.permissions IS NOT NEW.permissions
    OR OLD.coach IS NOT NEW.coach OR OLD.athlete IS NOT NEW.athlete
BEGIN
    UPDATE gyms SET policy_version = 1 + max((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta))
    WHERE id = NEW.gym;
END;

DROP TRIGGER links_removed;
CREATE TRIGGER links_removed AFTER DELETE ON links BEGIN
    UPDATE gyms SET policy_version = 1 + max((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta))
    WHERE id = OLD.gym;
END;

DROP TRIGGER users_role_changed;
CREATE TRIGGER users_role_changed AFTER UPDATE OF role ON users
WHEN OLD.role IS NOT NEW.role
BEGIN
    UPDATE gyms SET policy_version = 1 + max((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta))
    WHERE id = NEW.gym;
END;

DROP TRIGGER users_password_changed;
CREATE TRIGGER users_password_changed AFTER UPDATE OF password_hash ON users
WHEN OLD.password_hash IS NOT NEW.password_hash
BEGIN
    UPDATE users SET generation = generation + 1 WHERE id = NEW.id;
    UPDATE gyms SET policy_version = 1 + max((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta))
    WHERE id = NEW.gym;
END;

DROP TRIGGER users_removed;
CREATE TRIGGER users_removed AFTER DELETE ON users BEGIN
    UPDATE gyms SET policy_version = 1 + max((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta))
    WHERE id = OLD.gym;
END;

-- The streams that the entities of an owner have left. The seal at the end of each is in its owner's name; what
-- follows it may have been taken away, so nothing else leads to all of them.
CREATE INDEX journal_left_by ON journal (author) WHERE kind = 'moved';

-- A gym's row goes only when no link names it any more.
CREATE INDEX links_of_gym ON links (gym);
