//! What the fenced statement writes in each table. Every section waits for `held`: without the fence it writes nothing.

use spotter_actors::{Append, LetterId, LetterRow, SnapshotWrite};
use spotter_protocol::{StreamId, Timestamp};
use spotter_rules::{BestsRow, MessageRow, SessionRow, SetRow};

use super::super::columns::{self, count, load_kind, loads, phase, set_type, status, unit, version};
use super::super::rows::{Holder, Rows};
use super::commit::Placed;
use super::statement::{Columns, Statement, held};

/// The columns by which an entity is found.
fn address<T>(columns: &mut Columns<'_, T>, of: impl Fn(&T) -> &Append) -> sqlx::Result<()> {
    columns.add("owner", |row| of(row).address.owner.0)?;
    columns.add("kind", |row| of(row).address.kind.as_str())?;
    columns.add("id", |row| of(row).address.id)?;
    columns.add("gym", |row| of(row).gym.0)
}

pub(super) fn entities(statement: &mut Statement, opened: &[&Append]) -> sqlx::Result<()> {
    let text = "INSERT INTO entities (owner, kind, id, gym, stream, first_version)
         SELECT owner, kind, id, gym, stream, first_version FROM {rows} WHERE EXISTS (SELECT FROM held)";
    statement.section("entities_in", opened, false, text, |columns| {
        address(columns, |append| append)?;
        columns.add("stream", |append| append.stream.0)?;
        columns.add("first_version", |append| append.events.first().map(|event| version(event.version)))
    })
}

/// Entities leave their streams, those that are still there.
pub(super) fn rotations(statement: &mut Statement, rotated: &[(&Append, StreamId)]) -> sqlx::Result<()> {
    let text = "UPDATE entities SET stream = given.stream, first_version = given.first_version FROM {rows}
         WHERE entities.owner = given.owner AND entities.kind = given.kind AND entities.id = given.id
             AND entities.gym = given.gym AND entities.stream = given.left_stream AND EXISTS (SELECT FROM held)
         RETURNING 1";
    statement.section("rotations_in", rotated, true, text, |columns| {
        address(columns, |(append, _)| append)?;
        columns.add("stream", |(append, _)| append.stream.0)?;
        columns
            .add("first_version", |(append, _)| append.events.first().map(|event| version(event.version)))?;
        columns.add("left_stream", |(_, left)| left.0)
    })?;
    let text = "DELETE FROM snapshots USING {rows}
         WHERE snapshots.stream = given.stream AND EXISTS (SELECT FROM held)";
    statement.section("left_out", rotated, false, text, |columns| columns.add("stream", |(_, left)| left.0))
}

/// An event goes in when its place is free, or the key refuses it, and when the event before it is there.
pub(super) fn journal(statement: &mut Statement, events: &[Placed<'_>]) -> sqlx::Result<()> {
    let text =
        "INSERT INTO journal (stream, version, epoch, kind, schema, at, received_at, device_at, clock_offset,
             author, command, client, n, body)
         SELECT stream, version, epoch, kind, schema, at, received_at, device_at, clock_offset,
             author, command, client, n, body
         FROM {rows} WHERE EXISTS (SELECT FROM held)";
    statement.section("journal_in", events, false, text, |columns| {
        columns.add("stream", |placed| placed.stream.0)?;
        columns.add("version", |placed| version(placed.event.version))?;
        columns.add("epoch", |placed| placed.append.epoch.0)?;
        columns.add("kind", |placed| placed.event.kind.as_str())?;
        columns.add("schema", |placed| i32::from(placed.event.schema))?;
        columns.add("at", |placed| placed.event.stamp.at.0)?;
        columns.add("received_at", |placed| placed.event.stamp.received_at.0)?;
        columns.add("device_at", |placed| placed.event.stamp.device_at.0)?;
        columns.add("clock_offset", |placed| placed.event.stamp.offset)?;
        columns.add("author", |placed| placed.event.stamp.author.0)?;
        columns.add("command", |placed| placed.event.stamp.command.0)?;
        columns.add("client", |placed| placed.event.stamp.client.0)?;
        columns.add("n", |placed| count(placed.event.stamp.n))?;
        columns.add("body", |placed| placed.event.body.as_slice())
    })?;
    let joining: Vec<_> = events.iter().filter_map(|placed| Some((placed.stream, placed.earlier?))).collect();
    let text = "SELECT 1 FROM {rows}
         CROSS JOIN LATERAL (SELECT FROM journal AS before
             WHERE before.stream = given.stream AND before.version = given.earlier OFFSET 0) AS before";
    statement.section("joining", &joining, true, text, |columns| {
        columns.add("stream", |(stream, _)| stream.0)?;
        columns.add("earlier", |(_, earlier)| columns::version(*earlier))
    })
}

/// What is believed of sets that say they are fresh. A look for a row that is not there costs twice what the row does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sets {
    /// They have no rows: the key refuses one that has.
    AsTheySay,
    /// Any of them may have one.
    MayHaveRows,
}

/// The rows beside the journal, absolute: one that is there gives way.
pub(super) fn read_models(statement: &mut Statement, rows: Rows<'_>, new: Sets) -> sqlx::Result<()> {
    let found: Vec<_> = rows.sessions.into_values().collect();
    sessions(statement, &found)?;
    messages(statement, &rows.messages)?;
    let found: Vec<_> = rows.bests.into_values().collect();
    bests(statement, &found)?;
    let is_new = |(_, row): &(Holder, &SetRow)| row.fresh && new == Sets::AsTheySay;
    let (fresh, others): (Vec<_>, Vec<_>) = rows.sets.into_values().partition(is_new);
    sets(statement, "fresh_sets_in", &fresh, "")?;
    let gives_way = "ON CONFLICT (owner, exercise, session, set_id) DO UPDATE SET gym = excluded.gym,
         load_kind = excluded.load_kind, set_type = excluded.set_type, status = excluded.status,
         at = excluded.at, received_at = excluded.received_at, typed = excluded.typed, unit = excluded.unit,
         grams = excluded.grams, reps = excluded.reps, seconds = excluded.seconds, metres = excluded.metres,
         rpe_tenths = excluded.rpe_tenths, e1rm = excluded.e1rm";
    sets(statement, "sets_in", &others, gives_way)
}

/// A session's row gives way only to one of the same version or a later: a snapshot may be saved late.
fn sessions(statement: &mut Statement, rows: &[(Holder, &SessionRow)]) -> sqlx::Result<()> {
    let text = "INSERT INTO sessions (owner, session, gym, phase, title, workout, revision, started_at, finished_at,
             version, done, total, volume_g)
         SELECT owner, session, gym, phase, title, workout, revision, started_at, finished_at, version, done, total,
             volume_g
         FROM {rows} WHERE EXISTS (SELECT FROM held)
         ON CONFLICT (owner, session) DO UPDATE SET gym = excluded.gym, phase = excluded.phase,
             title = excluded.title, workout = excluded.workout, revision = excluded.revision,
             started_at = excluded.started_at, finished_at = excluded.finished_at, version = excluded.version,
             done = excluded.done, total = excluded.total, volume_g = excluded.volume_g
         WHERE excluded.version >= sessions.version";
    statement.section("sessions_in", rows, false, text, |columns| {
        columns.add("owner", |(holder, _)| holder.owner.0)?;
        columns.add("session", |(_, row)| row.session.0)?;
        columns.add("gym", |(holder, _)| holder.gym.0)?;
        columns.add("phase", |(_, row)| phase(row.phase))?;
        columns.add("title", |(_, row)| row.title.as_str())?;
        columns.add("workout", |(_, row)| row.workout.map(|workout| workout.id.0))?;
        columns.add("revision", |(_, row)| row.workout.map(|workout| i64::from(workout.revision)))?;
        columns.add("started_at", |(_, row)| row.started_at.0)?;
        columns.add("finished_at", |(_, row)| row.finished_at.map(|at| at.0))?;
        columns.add("version", |(_, row)| version(row.version))?;
        columns.add("done", |(_, row)| i64::from(row.done))?;
        columns.add("total", |(_, row)| i64::from(row.total))?;
        columns.add("volume_g", |(_, row)| count(row.volume_g))
    })
}

fn messages(statement: &mut Statement, rows: &[(Holder, &MessageRow)]) -> sqlx::Result<()> {
    let text = "INSERT INTO messages (owner, peer, version, message, gym, mine, text, about, at)
         SELECT owner, peer, version, message, gym, mine, text, about, at
         FROM {rows} WHERE EXISTS (SELECT FROM held)";
    statement.section("messages_in", rows, false, text, |columns| {
        columns.add("owner", |(holder, _)| holder.owner.0)?;
        columns.add("peer", |(_, row)| row.with.0)?;
        columns.add("version", |(_, row)| version(row.version))?;
        columns.add("message", |(_, row)| row.id.0)?;
        columns.add("gym", |(holder, _)| holder.gym.0)?;
        columns.add("mine", |(_, row)| row.mine)?;
        columns.add("text", |(_, row)| row.text.as_str())?;
        columns.add("about", |(_, row)| row.about.map(|about| about.to_string()))?;
        columns.add("at", |(_, row)| row.at.0)
    })
}

fn bests(statement: &mut Statement, rows: &[(Holder, &BestsRow)]) -> sqlx::Result<()> {
    let text = "INSERT INTO bests (owner, exercise, session, gym, first_at, last_at, heaviest, e1rm, rep_max)
         SELECT owner, exercise, session, gym, first_at, last_at, heaviest, e1rm, rep_max
         FROM {rows} WHERE EXISTS (SELECT FROM held)
         ON CONFLICT (owner, exercise, session) DO UPDATE SET gym = excluded.gym, first_at = excluded.first_at,
             last_at = excluded.last_at, heaviest = excluded.heaviest, e1rm = excluded.e1rm,
             rep_max = excluded.rep_max";
    statement.section("bests_in", rows, false, text, |columns| {
        columns.add("owner", |(holder, _)| holder.owner.0)?;
        columns.add("exercise", |(_, row)| row.bests.exercise.as_str())?;
        columns.add("session", |(_, row)| row.session.0)?;
        columns.add("gym", |(holder, _)| holder.gym.0)?;
        columns.add("first_at", |(_, row)| row.span.map(|(first, _)| first.0))?;
        columns.add("last_at", |(_, row)| row.span.map(|(_, last)| last.0))?;
        columns.add("heaviest", |(_, row)| row.bests.heaviest.map(|grams| i64::from(grams.0)))?;
        columns.add("e1rm", |(_, row)| row.bests.e1rm.map(|grams| i64::from(grams.0)))?;
        columns.add("rep_max", |(_, row)| loads(&row.bests.rep_max))
    })
}

fn sets(
    statement: &mut Statement,
    name: &'static str,
    rows: &[(Holder, &SetRow)],
    conflict: &str,
) -> sqlx::Result<()> {
    let text = "INSERT INTO sets (owner, exercise, session, set_id, gym, load_kind, set_type, status, at, received_at,
             typed, unit, grams, reps, seconds, metres, rpe_tenths, e1rm)
         SELECT owner, exercise, session, set_id, gym, load_kind, set_type, status, at, received_at,
             typed, unit, grams, reps, seconds, metres, rpe_tenths, e1rm
         FROM {rows} WHERE EXISTS (SELECT FROM held) ";
    statement.section(name, rows, false, &format!("{text}{conflict}"), |columns| {
        columns.add("owner", |(holder, _)| holder.owner.0)?;
        columns.add("exercise", |(_, row)| row.exercise.as_str())?;
        columns.add("session", |(_, row)| row.session.0)?;
        columns.add("set_id", |(_, row)| row.set.0)?;
        columns.add("gym", |(holder, _)| holder.gym.0)?;
        columns.add("load_kind", |(_, row)| load_kind(row.load_kind))?;
        columns.add("set_type", |(_, row)| set_type(row.set_type))?;
        columns.add("status", |(_, row)| status(row.status))?;
        columns.add("at", |(_, row)| row.at.0)?;
        columns.add("received_at", |(_, row)| row.received_at.0)?;
        columns.add("typed", |(_, row)| row.load.map(|load| i64::from(load.typed())))?;
        columns.add("unit", |(_, row)| row.load.map(|load| unit(load.unit())))?;
        columns.add("grams", |(_, row)| row.load.map(|load| i64::from(load.grams().0)))?;
        columns.add("reps", |(_, row)| row.reps.map(|reps| i64::from(reps.get())))?;
        columns.add("seconds", |(_, row)| row.seconds.map(|seconds| i64::from(seconds.get())))?;
        columns.add("metres", |(_, row)| row.metres.map(|metres| i64::from(metres.get())))?;
        columns.add("rpe_tenths", |(_, row)| row.rpe_tenths.map(i64::from))?;
        columns.add("e1rm", |(_, row)| row.e1rm.map(|grams| i64::from(grams.0)))
    })
}

/// Letters get their ids in the order in which they stand.
pub(super) fn letters(statement: &mut Statement, letters: &[(&Append, &LetterRow)]) -> sqlx::Result<()> {
    let text = "INSERT INTO letters (recipient, gym, author, command, at, kind, body)
         SELECT recipient, gym, author, command, at, kind, body
         FROM {rows} WHERE EXISTS (SELECT FROM held) ORDER BY place";
    let letters: Vec<_> = (0_i64..).zip(letters).collect();
    statement.section("letters_in", &letters, false, text, |columns| {
        columns.add("place", |(place, _)| *place)?;
        columns.add("recipient", |(_, (_, letter))| letter.to.0)?;
        columns.add("gym", |(_, (append, _))| append.gym.0)?;
        columns.add("author", |(_, (_, letter))| letter.author.0)?;
        columns.add("command", |(_, (_, letter))| letter.command.0)?;
        columns.add("at", |(_, (_, letter))| letter.at.0)?;
        columns.add("kind", |(_, (_, letter))| letter.kind.as_str())?;
        columns.add("body", |(_, (_, letter))| letter.body.as_slice())
    })
}

/// Letters that have had their effect are gone with it; one that is not there had it before.
pub(super) fn carried(statement: &mut Statement, carried: &[(&Append, LetterId)]) -> sqlx::Result<()> {
    let text = "DELETE FROM letters USING {rows}
         WHERE letters.id = given.id AND letters.recipient = given.recipient AND letters.gym = given.gym
             AND EXISTS (SELECT FROM held)
         RETURNING 1";
    statement.section("letters_out", carried, true, text, |columns| {
        columns.add("id", |(_, letter)| letter.0)?;
        columns.add("recipient", |(append, _)| append.address.owner.0)?;
        columns.add("gym", |(append, _)| append.gym.0)
    })
}

pub(super) fn reminders(statement: &mut Statement, moved: &[(&Append, Timestamp)]) -> sqlx::Result<()> {
    let text = "INSERT INTO reminders (owner, kind, id, gym, at)
         SELECT owner, kind, id, gym, at FROM {rows} WHERE EXISTS (SELECT FROM held)
         ON CONFLICT (owner, kind, id) DO UPDATE SET at = excluded.at";
    statement.section("reminders_in", moved, false, text, |columns| {
        address(columns, |(append, _)| append)?;
        columns.add("at", |(_, at)| at.0)
    })
}

pub(super) fn no_reminders(statement: &mut Statement, forgotten: &[&Append]) -> sqlx::Result<()> {
    let text = "DELETE FROM reminders USING {rows}
         WHERE reminders.owner = given.owner AND reminders.kind = given.kind AND reminders.id = given.id
             AND reminders.gym = given.gym AND EXISTS (SELECT FROM held)";
    statement.section("reminders_out", forgotten, false, text, |columns| address(columns, |append| append))
}

/// Snapshots of shards that are held; an older one than is stored is left out. Here each shard counts for itself.
/// An actor that does not know yet that its entity has moved leaves no snapshot.
pub(super) fn snapshots(statement: &mut Statement, snapshots: &[&SnapshotWrite]) -> sqlx::Result<()> {
    let text = "INSERT INTO snapshots (stream, version, schema, body)
         SELECT given.stream, given.version, given.schema, given.body FROM {rows} JOIN own USING (shard, epoch)
         WHERE EXISTS (SELECT FROM entities WHERE entities.stream = given.stream)
         ON CONFLICT (stream) DO UPDATE SET version = excluded.version, schema = excluded.schema,
             body = excluded.body
         WHERE excluded.version >= snapshots.version RETURNING stream";
    statement.section("snapshots_in", snapshots, false, text, |columns| {
        columns.add("shard", |write| held(write.address.shard(), write.epoch).0)?;
        columns.add("epoch", |write| write.epoch.0)?;
        columns.add("stream", |write| write.stream.0)?;
        columns.add("version", |write| version(write.snapshot.version))?;
        columns.add("schema", |write| i32::from(write.snapshot.schema))?;
        columns.add("body", |write| write.snapshot.body.as_slice())
    })
}
