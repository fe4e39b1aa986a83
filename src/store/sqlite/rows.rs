//! The read models beside the journal.

use std::sync::LazyLock;

use spotter_protocol::Shard;
use spotter_rules::{BestsRow, MessageRow, SessionRow, SetRow};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::super::columns::{count, load_kind, loads, phase, set_type, status, unit, version};
use super::super::rows::{Holder, Rows};
use super::blob;
use super::insert::{Binding, FencedInsert};

/// A session's row gives way only to one of the same version or a later: a snapshot may be saved late.
static SESSIONS: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO sessions (owner, session, gym, phase, title, workout, revision, started_at, finished_at, \
             version, done, total, volume_g)
         SELECT column3, column4, column5, column6, column7, column8, column9, column10, column11, \
             column12, column13, column14, column15
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ?
         ON CONFLICT (owner, session) DO UPDATE SET gym = excluded.gym, phase = excluded.phase, \
             title = excluded.title, workout = excluded.workout, revision = excluded.revision, \
             started_at = excluded.started_at, finished_at = excluded.finished_at, \
             version = excluded.version, done = excluded.done, total = excluded.total, \
             volume_g = excluded.volume_g
         WHERE excluded.version >= sessions.version",
        15,
    )
});

static MESSAGES: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO messages (owner, peer, version, message, gym, mine, text, about, at)
         SELECT column3, column4, column5, column6, column7, column8, column9, column10, column11
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ?
         ON CONFLICT DO NOTHING",
        11,
    )
});

static SETS: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO sets (owner, exercise, session, set_id, gym, load_kind, set_type, status, at, \
             received_at, typed, unit, grams, reps, seconds, metres, rpe_tenths, e1rm)
         SELECT column3, column4, column5, column6, column7, column8, column9, column10, column11, \
             column12, column13, column14, column15, column16, column17, column18, column19, column20
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ?
         ON CONFLICT (owner, exercise, session, set_id) DO UPDATE SET gym = excluded.gym, \
             load_kind = excluded.load_kind, set_type = excluded.set_type, \
             status = excluded.status, at = excluded.at, received_at = excluded.received_at, \
             typed = excluded.typed, unit = excluded.unit, grams = excluded.grams, reps = excluded.reps, \
             seconds = excluded.seconds, metres = excluded.metres, rpe_tenths = excluded.rpe_tenths, \
             e1rm = excluded.e1rm",
        20,
    )
});

static BESTS: LazyLock<FencedInsert> = LazyLock::new(|| {
    FencedInsert::new(
        "INSERT INTO bests (owner, exercise, session, gym, first_at, last_at, heaviest, e1rm, rep_max)
         SELECT column3, column4, column5, column6, column7, column8, column9, column10, column11
         FROM (VALUES {rows}) CROSS JOIN shards ON shards.shard = column1 AND shards.epoch = column2
         WHERE shards.node = ?
         ON CONFLICT (owner, exercise, session) DO UPDATE SET gym = excluded.gym, \
             first_at = excluded.first_at, last_at = excluded.last_at, heaviest = excluded.heaviest, \
             e1rm = excluded.e1rm, rep_max = excluded.rep_max",
        11,
    )
});

fn fence(holder: Holder, binding: Binding) -> Binding {
    binding.bind(Shard::of(holder.owner).number()).bind(holder.epoch.0)
}

/// Writes them, where the fence lets them through.
pub(super) async fn write(rows: Rows<'_>, connection: &mut SqliteConnection, node: Uuid) -> sqlx::Result<()> {
    let sessions: Vec<_> = rows.sessions.into_values().collect();
    SESSIONS.write(connection, node, &sessions, bind_session).await?;
    MESSAGES.write(connection, node, &rows.messages, bind_message).await?;
    let sets: Vec<_> = rows.sets.into_values().collect();
    SETS.write(connection, node, &sets, bind_set).await?;
    let bests: Vec<_> = rows.bests.into_values().collect();
    BESTS.write(connection, node, &bests, bind_bests).await?;
    Ok(())
}

fn bind_session(binding: Binding, (holder, row): &(Holder, &SessionRow)) -> Binding {
    fence(*holder, binding)
        .bind(blob(holder.owner.0))
        .bind(blob(row.session.0))
        .bind(blob(holder.gym.0))
        .bind(phase(row.phase))
        .bind(row.title.as_str().to_owned())
        .bind(row.workout.map(|workout| blob(workout.id.0)))
        .bind(row.workout.map(|workout| workout.revision))
        .bind(row.started_at.0)
        .bind(row.finished_at.map(|at| at.0))
        .bind(version(row.version))
        .bind(row.done)
        .bind(row.total)
        .bind(count(row.volume_g))
}

fn bind_message(binding: Binding, (holder, row): &(Holder, &MessageRow)) -> Binding {
    fence(*holder, binding)
        .bind(blob(holder.owner.0))
        .bind(blob(row.with.0))
        .bind(version(row.version))
        .bind(blob(row.id.0))
        .bind(blob(holder.gym.0))
        .bind(row.mine)
        .bind(row.text.as_str().to_owned())
        .bind(row.about.map(|about| about.to_string()))
        .bind(row.at.0)
}

fn bind_set(binding: Binding, (holder, row): &(Holder, &SetRow)) -> Binding {
    fence(*holder, binding)
        .bind(blob(holder.owner.0))
        .bind(row.exercise.as_str().to_owned())
        .bind(blob(row.session.0))
        .bind(blob(row.set.0))
        .bind(blob(holder.gym.0))
        .bind(load_kind(row.load_kind))
        .bind(set_type(row.set_type))
        .bind(status(row.status))
        .bind(row.at.0)
        .bind(row.received_at.0)
        .bind(row.load.map(|load| load.typed()))
        .bind(row.load.map(|load| unit(load.unit())))
        .bind(row.load.map(|load| load.grams().0))
        .bind(row.reps.map(|reps| reps.get()))
        .bind(row.seconds.map(|seconds| seconds.get()))
        .bind(row.metres.map(|metres| metres.get()))
        .bind(row.rpe_tenths)
        .bind(row.e1rm.map(|grams| grams.0))
}

fn bind_bests(binding: Binding, (holder, row): &(Holder, &BestsRow)) -> Binding {
    fence(*holder, binding)
        .bind(blob(holder.owner.0))
        .bind(row.bests.exercise.as_str().to_owned())
        .bind(blob(row.session.0))
        .bind(blob(holder.gym.0))
        .bind(row.span.map(|(first, _)| first.0))
        .bind(row.span.map(|(_, last)| last.0))
        .bind(row.bests.heaviest.map(|grams| grams.0))
        .bind(row.bests.e1rm.map(|grams| grams.0))
        .bind(loads(&row.bests.rep_max))
}
