-- Why: a long-lived entity leaves its stream for another. The stream that was left ends with a row of kind 'moved',
-- whose body is the stream that follows: by it a command is found in all streams of an entity.

CREATE INDEX journal_seals ON journal (body) WHERE kind = 'moved';
