-- Why: a right that is taken away must end on sockets that are open, and a token made before a password or a role
-- changed must not open another. The tables themselves raise the numbers, in the transaction that changes them,
-- so that no writer, in whatever process, can forget to.

-- Rises with every change of a role, a link, its permissions or a password in the gym, above that of every other
-- gym: who remembers the highest it saw finds the gyms that changed since by one look into the index.
ALTER TABLE gyms ADD COLUMN policy_version bigint NOT NULL DEFAULT 0;
CREATE INDEX gyms_policy_version ON gyms (policy_version);

-- How often the password was set anew. A token names the number it was made under.
ALTER TABLE users ADD COLUMN generation bigint NOT NULL DEFAULT 0;

-- One change at a time: were two to raise numbers at once, the lower could become visible after the higher, and who
-- has seen the higher never looks for it.
CREATE FUNCTION spotter_rights_changed(of_gym uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spotter accounts'));
    UPDATE gyms SET policy_version = (SELECT max(policy_version) + 1 FROM gyms) WHERE id = of_gym;
END
$$;

CREATE FUNCTION spotter_new_rights() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM spotter_rights_changed(NEW.gym);
    RETURN NULL;
END
$$;

CREATE FUNCTION spotter_old_rights() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM spotter_rights_changed(OLD.gym);
    RETURN NULL;
END
$$;

CREATE FUNCTION spotter_password_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users SET generation = generation + 1 WHERE id = NEW.id;
    PERFORM spotter_rights_changed(NEW.gym);
    RETURN NULL;
END
$$;

CREATE TRIGGER links_added AFTER INSERT ON links FOR EACH ROW EXECUTE FUNCTION spotter_new_rights();

CREATE TRIGGER links_changed AFTER UPDATE ON links FOR EACH ROW
WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.permissions IS DISTINCT FROM NEW.permissions
    OR OLD.coach IS DISTINCT FROM NEW.coach OR OLD.athlete IS DISTINCT FROM NEW.athlete)
EXECUTE FUNCTION spotter_new_rights();

CREATE TRIGGER links_removed AFTER DELETE ON links FOR EACH ROW EXECUTE FUNCTION spotter_old_rights();

CREATE TRIGGER users_role_changed AFTER UPDATE OF role ON users FOR EACH ROW
WHEN (OLD.role IS DISTINCT FROM NEW.role) EXECUTE FUNCTION spotter_new_rights();

CREATE TRIGGER users_password_changed AFTER UPDATE OF password_hash ON users FOR EACH ROW
WHEN (OLD.password_hash IS DISTINCT FROM NEW.password_hash) EXECUTE FUNCTION spotter_password_changed();

CREATE TRIGGER users_removed AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION spotter_old_rights();
