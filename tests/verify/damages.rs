//! What can be wrong with a database, and how it is found.

use spotter_protocol::{Address, SessionId, UserId};

use crate::{STRANGER, athlete, session};

/// What is done to the database, by whom it is found, and what is said. The texts name athletes `{a}` and `{b}`, the
/// first stream `{s}` of the session of the first, its gym, a stranger of another, and bytes that nothing can read.
pub(crate) const DAMAGES: &[(&str, Option<Address>, &str)] = &[
    (
        "DELETE FROM journal WHERE version = 7 AND stream = {s}",
        Some(session(0)),
        "versions 7 to 7 are missing",
    ),
    (
        "DELETE FROM journal WHERE version < 3 AND stream = {s}",
        Some(session(0)),
        "versions 1 to 2 are missing",
    ),
    (
        "UPDATE journal SET version = 7000 WHERE version = 7 AND stream = {s}",
        Some(session(0)),
        "versions 7 to 7 are missing",
    ),
    (
        "UPDATE journal SET command = (SELECT other.command FROM journal AS other WHERE other.version = 3
             AND other.stream = (SELECT stream FROM journal WHERE author = {b} AND kind = 'started'))
         WHERE version = 3 AND stream = {s}",
        Some(session(1)),
        "was done before: version 3 of",
    ),
    (
        "UPDATE journal SET epoch = 0 WHERE version = 7 AND stream = {s}",
        Some(session(0)),
        "its epoch 0 is below 1",
    ),
    (
        "UPDATE journal SET epoch = 900 WHERE version = 7 AND stream = {s}",
        Some(session(0)),
        "its epoch 900 is above 2",
    ),
    (
        "UPDATE journal SET body = {bytes} WHERE version = 7 AND stream = {s}",
        Some(session(0)),
        "cannot be read",
    ),
    (
        "UPDATE journal SET kind = 'danced' WHERE version = 7 AND stream = {s}",
        Some(session(0)),
        "this build knows no event \"danced\"",
    ),
    (
        "UPDATE journal SET received_at = received_at + 1 WHERE kind = 'set_completed'
             AND stream = {s}",
        Some(session(0)),
        "received_at is",
    ),
    ("UPDATE sets SET reps = 77 WHERE owner = {a} AND reps IS NOT NULL", Some(session(0)), "reps is 77 and by the events"),
    (
        "DELETE FROM sets WHERE owner = {a} AND set_id = (SELECT set_id FROM sets WHERE owner = {a} LIMIT 1)",
        Some(session(0)),
        "its row is missing",
    ),
    ("UPDATE sets SET gym = {b} WHERE owner = {a}", Some(session(0)), "gym is"),
    (
        "INSERT INTO sets (owner, exercise, session, set_id, gym, load_kind, set_type, status, at, received_at)
         SELECT owner, 'stray', session, set_id, gym, load_kind, set_type, status, at, received_at FROM sets
         WHERE owner = {a} LIMIT 1",
        Some(session(0)),
        "a row that no event made",
    ),
    (
        "INSERT INTO sets (owner, exercise, session, set_id, gym, load_kind, set_type, status, at, received_at)
         SELECT owner, exercise, owner, set_id, gym, load_kind, set_type, status, at, received_at FROM sets
         WHERE owner = {a} LIMIT 1",
        Some(Address::session(athlete(0), SessionId(athlete(0).0))),
        "sets of a session that is not there",
    ),
    ("UPDATE bests SET heaviest = 1 WHERE owner = {b}", Some(session(1)), "heaviest is 1 and by the events"),
    ("DELETE FROM bests WHERE owner = {b} AND heaviest > 0", Some(session(1)), "their row is missing"),
    (
        "INSERT INTO bests (owner, exercise, session, gym, first_at, last_at, heaviest, rep_max)
         SELECT owner, 'stray', session, gym, 1, 1, 1, '[]' FROM bests WHERE owner = {b} LIMIT 1",
        Some(session(1)),
        "a row that no event made",
    ),
    (
        "INSERT INTO bests (owner, exercise, session, gym, rep_max)
         SELECT owner, exercise, owner, gym, rep_max FROM bests WHERE owner = {b} LIMIT 1",
        Some(Address::session(athlete(1), SessionId(athlete(1).0))),
        "bests of a session that is not there",
    ),
    ("UPDATE sessions SET done = done + 1 WHERE owner = {a}", Some(session(0)), "the session's row: done is"),
    ("UPDATE sessions SET version = 9000 WHERE owner = {a}", Some(session(0)), "the session's row is of this version"),
    ("DELETE FROM sessions WHERE owner = {a}", Some(session(0)), "the session's row is missing"),
    (
        "UPDATE messages SET text = 'lies' WHERE owner = {a}",
        Some(Address::inbox(athlete(0))),
        "the row of the message differs from its event",
    ),
    (
        "DELETE FROM messages WHERE owner = {a} AND version = (SELECT max(version) FROM messages WHERE owner = {a})",
        Some(Address::inbox(athlete(0))),
        "the row of the message is missing",
    ),
    (
        "UPDATE messages SET peer = {b} WHERE owner = {b}",
        Some(Address::inbox(athlete(1))),
        "a row of a message that no event made",
    ),
    ("UPDATE snapshots SET body = {bytes}", Some(session(0)), "has the form of this build and cannot be read"),
    ("UPDATE snapshots SET version = version - 1", Some(session(0)), "the snapshot is not the entity as it was then"),
    ("UPDATE snapshots SET version = 9000", Some(session(0)), "the snapshot is of this version, and the stream holds"),
    ("DELETE FROM entities WHERE owner = {a} AND kind = 'session'", None, "events of a stream that no entity leads to"),
    (
        "UPDATE entities SET first_version = first_version + 1 WHERE owner = {a} AND kind = 'inbox'",
        Some(Address::inbox(athlete(0))),
        "the stream begins with this version, and by the entity's row with",
    ),
    (
        "UPDATE journal SET body = {bytes} WHERE kind = 'moved' AND author = {a} AND version = (
             SELECT first_version FROM entities WHERE owner = {a} AND kind = 'inbox')",
        None,
        "the seal leads to a stream that is not there",
    ),
    (
        "UPDATE journal SET kind = 'moved' WHERE version = 7 AND stream = {s}",
        Some(session(0)),
        "the seal names another stream than the one that follows",
    ),
    (
        "UPDATE journal SET kind = 'moved' WHERE (stream, version) IN (
             SELECT entities.stream, max(journal.version) FROM entities JOIN journal ON journal.stream = entities.stream
             WHERE entities.owner = {a} AND entities.kind = 'session' GROUP BY entities.stream)",
        Some(session(0)),
        "the stream that the entity is in is sealed",
    ),
    (
        "INSERT INTO journal SELECT stream, version + 1, epoch, 'messages_read', schema, at, received_at, device_at,
             clock_offset, author, author, client, n, body
         FROM journal WHERE kind = 'moved' AND author = {a}
             AND version = (SELECT first_version FROM entities WHERE owner = {a} AND kind = 'inbox')",
        Some(Address::inbox(athlete(0))),
        "an event beyond the seal",
    ),
    (
        "INSERT INTO reminders (owner, kind, id, gym, at) VALUES ({b}, 'room', {b}, {gym}, 1)",
        Some(Address::room(athlete(1))),
        "points to no entity of its gym",
    ),
    ("UPDATE reminders SET gym = {b}", Some(session(0)), "points to no entity of its gym"),
    ("UPDATE reminders SET at = at + 1000000000000", Some(session(0)), "the reminder rings after something is due"),
    ("DELETE FROM reminders", Some(session(0)), "no reminder, and something will be due"),
    (
        "INSERT INTO letters (recipient, gym, author, command, at, kind, body)
         VALUES ({stranger}, {gym}, {a}, {a}, 0, 'notify', {bytes})",
        Some(Address::inbox(UserId(STRANGER))),
        "is to nobody of its gym",
    ),
    ("UPDATE links SET athlete = {stranger} WHERE athlete = {b}", None, "is not between two people of its gym"),
];
