-- Why: a gym can be removed with everything of it beside a running node. It is closed first, and what it has goes in
-- portions afterwards; who is of a closed gym is told what somebody of no gym is told.

ALTER TABLE gyms ADD COLUMN closed_at bigint;

-- The highest policy version of the gyms that are gone. Whoever remembers the highest they saw would miss changes if
-- numbers came again.
ALTER TABLE meta ADD COLUMN policy_version bigint NOT NULL DEFAULT 0;

-- One change at a time: were two to raise numbers at once, the lower could become visible after the higher, and who
-- has seen the higher never looks for it.
CREATE OR REPLACE FUNCTION spotter_rights_changed(of_gym uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spotter accounts'));
    -- By the key of the only row: where whole tables are not to be read, reading one that way is planned at length.
    UPDATE gyms SET policy_version =
        1 + greatest((SELECT max(policy_version) FROM gyms), (SELECT policy_version FROM meta WHERE "only" = 1))
    WHERE id = of_gym;
END
$$;

CREATE FUNCTION spotter_gym_closed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM spotter_rights_changed(NEW.id);
    RETURN NULL;
END
$$;

CREATE FUNCTION spotter_gym_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE meta SET policy_version = greatest(policy_version, OLD.policy_version) WHERE "only" = 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER gyms_closed AFTER UPDATE OF closed_at ON gyms FOR EACH ROW
WHEN (OLD.closed_at IS DISTINCT FROM NEW.closed_at) EXECUTE FUNCTION spotter_gym_closed();

CREATE TRIGGER gyms_removed AFTER DELETE ON gyms FOR EACH ROW EXECUTE FUNCTION spotter_gym_removed();

-- The streams that the entities of an owner have left. The seal at the end of each is in its owner's name; what
-- follows it may have been taken away, so nothing else leads to all of them.
CREATE INDEX journal_left_by ON journal (author) WHERE kind = 'moved';

-- A gym's row goes only when no link names it any more.
CREATE INDEX links_of_gym ON links (gym);
