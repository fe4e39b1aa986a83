-- Why: months of the journal can be taken away once no entity is in a stream of theirs. Who still is, is found by when
-- its stream began.

CREATE INDEX entities_by_stream ON entities (stream);

-- Entities that leave an old month are kept in streams whose time is the last there is. They have a part of their own:
-- the part for other streams is read whole whenever a month is opened, and has to stay small.
CREATE TABLE journal_kept PARTITION OF journal
    FOR VALUES FROM ('ffffffff-ffff-0000-0000-000000000000') TO (MAXVALUE);
