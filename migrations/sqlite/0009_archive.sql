-- Why: months of the journal can be taken away once no entity is in a stream of theirs. Who still is, is found by when
-- its stream began. Entities that leave an old month are kept in streams whose time is the last there is.

CREATE INDEX entities_by_stream ON entities (stream);
