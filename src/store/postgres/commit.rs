//! One batch, one statement: all of it, or what the answer says of its parts. A batch that does not go in whole is
//! offered again in halves until the bad append stands alone: it gets its own answer and never fails its neighbours.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use spotter_actors::{Append, EventRow, Opening, Outcome, Remind, SnapshotWrite};
use spotter_protocol::{Address, StreamId, Version};
use sqlx::{Connection, PgConnection, Row};
use uuid::Uuid;

use super::super::columns;
use super::super::rows::{Holder, Rows};
use super::heads::Heads;
use super::lanes::{Lane, Lanes};
use super::statement::{Held, Statement, Writer, held};
use super::tables::{self, Sets};

/// What became of a batch that was offered as a whole.
enum Offered {
    Written,
    /// Only these shards are held. Nothing was written.
    Lost(BTreeSet<Held>),
    /// A row did not go in. Nothing was written.
    Partly,
    /// A set that was to be fresh has a row. Nothing was written.
    NotFresh,
    /// The server refuses a row for what it holds. Nothing was written.
    Refused(String),
}

/// Writes a batch and answers each append in order. After an error the outcome of all of it is unknown.
pub(super) async fn commit(lanes: &Lanes, writer: &Writer, batch: &[Append]) -> sqlx::Result<Vec<Outcome>> {
    let committed = lanes.run(async |lane| {
        let mut outcomes = Vec::with_capacity(batch.len());
        for appends in once_each(batch) {
            offer(lane, writer, appends, &mut outcomes).await?;
        }
        Ok(outcomes)
    });
    committed.await
}

/// Writes snapshots with their rows; those that are fenced, or older than what is stored, leave nothing.
pub(super) async fn save(lanes: &Lanes, writer: &Writer, snapshots: &[SnapshotWrite]) -> sqlx::Result<()> {
    lanes.run(async |lane| save_on(&mut lane.connection, writer, snapshots).await).await
}

/// Cuts a batch so that no entity is twice in one statement, where two changes of one row cannot stand.
fn once_each(batch: &[Append]) -> Vec<&[Append]> {
    let mut parts = Vec::new();
    let mut seen: HashSet<Address> = HashSet::with_capacity(batch.len());
    let mut begin = 0;
    for (place, append) in batch.iter().enumerate() {
        if !seen.insert(append.address) {
            parts.extend(batch.get(begin..place));
            begin = place;
            seen = HashSet::from([append.address]);
        }
    }
    parts.extend(batch.get(begin..).filter(|rest| !rest.is_empty()));
    parts
}

/// Offers appends until each has its answer.
async fn offer(
    lane: &mut Lane,
    writer: &Writer,
    appends: &[Append],
    outcomes: &mut Vec<Outcome>,
) -> sqlx::Result<()> {
    let mut answers: Vec<Option<Outcome>> = vec![None; appends.len()];
    // The parts that wait for their turn, the next one last.
    let mut waiting: Vec<(Vec<usize>, Sets)> = vec![((0..appends.len()).collect(), Sets::AsTheySay)];
    while let Some((part, sets)) = waiting.pop() {
        let these: Vec<&Append> = part.iter().map(|place| &appends[*place]).collect();
        match (write(lane, writer, &these, sets).await?, these.as_slice()) {
            (Offered::Written, _) => part.iter().for_each(|place| answers[*place] = Some(Outcome::Committed)),
            (Offered::Lost(now), _) => {
                let is_held = |place: &usize| {
                    let append = &appends[*place];
                    now.contains(&held(append.address.shard(), append.epoch))
                };
                let (rest, lost): (Vec<usize>, Vec<usize>) = part.into_iter().partition(is_held);
                lost.into_iter().for_each(|place| answers[place] = Some(Outcome::Fenced));
                waiting.extend(Some((rest, sets)).filter(|(rest, _)| !rest.is_empty()));
            }
            (Offered::NotFresh, _) => waiting.push((part, Sets::MayHaveRows)),
            (Offered::Refused(why), [_]) => answers[part[0]] = Some(Outcome::Refused(why)),
            (Offered::Partly, [append]) => {
                answers[part[0]] = Some(why_not(&mut lane.connection, append).await?)
            }
            (Offered::Refused(_) | Offered::Partly, _) => {
                let (first, second) = part.split_at(part.len() / 2);
                waiting.push((second.to_vec(), sets));
                waiting.push((first.to_vec(), sets));
            }
        }
    }
    outcomes.extend(answers.into_iter().flatten());
    Ok(())
}

/// Writes appends of different entities with all that belongs to them, or nothing.
async fn write(lane: &mut Lane, writer: &Writer, appends: &[&Append], sets: Sets) -> sqlx::Result<Offered> {
    let shards = appends.iter().map(|append| held(append.address.shard(), append.epoch)).collect();
    let mut statement = Statement::under(writer, &shards)?;
    let opened = only(appends, |append| (append.opening == Opening::Entity).then_some(*append));
    tables::entities(&mut statement, &opened)?;
    let rotated = only(appends, |append| append.opening.left().map(|left| (*append, left)));
    tables::rotations(&mut statement, &rotated)?;
    tables::journal(&mut statement, &placed(appends, &lane.heads))?;
    let mut rows = Rows::default();
    for append in appends {
        let holder = Holder { gym: append.gym, owner: append.address.owner, epoch: append.epoch };
        rows.add(holder, &append.rows);
    }
    tables::read_models(&mut statement, rows, sets)?;
    let letters: Vec<_> =
        appends.iter().flat_map(|append| append.letters.iter().map(|letter| (*append, letter))).collect();
    tables::letters(&mut statement, &letters)?;
    let carried: Vec<_> =
        appends.iter().flat_map(|append| append.carried.iter().map(|id| (*append, *id))).collect();
    tables::carried(&mut statement, &carried)?;
    let moved = only(appends, |append| match append.reminder {
        Remind::At(at) => Some((*append, at)),
        Remind::Keep | Remind::Never => None,
    });
    tables::reminders(&mut statement, &moved)?;
    let forgotten = only(appends, |append| (append.reminder == Remind::Never).then_some(*append));
    tables::no_reminders(&mut statement, &forgotten)?;
    match statement.run_whole(&mut lane.connection).await {
        Ok(now) if now == shards => {
            appends.iter().for_each(|append| lane.heads.take_down(append));
            Ok(Offered::Written)
        }
        Ok(now) => Ok(Offered::Lost(now)),
        Err(error) if code(&error).is_some_and(|code| code == TAKEN) => {
            let of_a_set = error.as_database_error().and_then(|error| error.table()) == Some("sets");
            Ok(if of_a_set { Offered::NotFresh } else { Offered::Partly })
        }
        Err(error) if code(&error).is_some_and(|code| code == NOT_WHOLE) => Ok(Offered::Partly),
        Err(error) if refuses_content(&error) => Ok(Offered::Refused(error.to_string())),
        Err(error) => Err(error),
    }
}

fn only<'a, T>(appends: &[&'a Append], part: impl Fn(&&'a Append) -> Option<T>) -> Vec<T> {
    appends.iter().filter_map(part).collect()
}

/// An event with what its place in the journal depends on.
pub(super) struct Placed<'a> {
    pub(super) append: &'a Append,
    pub(super) stream: StreamId,
    pub(super) event: Cow<'a, EventRow>,
    /// The version that must be in the stream already, unless it is known to be.
    pub(super) earlier: Option<Version>,
}

fn placed<'a>(appends: &[&'a Append], heads: &Heads) -> Vec<Placed<'a>> {
    let before = |stream, version: Version| {
        let earlier = Version(version.0.saturating_sub(1));
        (!heads.knows(stream, earlier)).then_some(earlier)
    };
    let mut placed = Vec::with_capacity(appends.len());
    for append in appends {
        // The seal comes after the last event of the stream that is left: it is there when that is the entity's head.
        if let Some((stream, seal)) = append.seal() {
            let earlier = before(stream, seal.version);
            placed.push(Placed { append, stream, event: Cow::Owned(seal), earlier });
        }
        for (place, event) in append.events.iter().enumerate() {
            let joins = place == 0 && append.opening == Opening::No;
            let earlier = if joins { before(append.stream, event.version) } else { None };
            placed.push(Placed { append, stream: append.stream, event: Cow::Borrowed(event), earlier });
        }
    }
    placed
}

/// Why nothing of an append went in although its shard is held: an earlier offer of the same rows was committed, or
/// the journal is not as the writer believes.
async fn why_not(connection: &mut PgConnection, append: &Append) -> sqlx::Result<Outcome> {
    let (first, last) = match (append.events.first(), append.events.last()) {
        (Some(first), Some(last)) => (first.version, last.version),
        _ => return Ok(Outcome::Conflict),
    };
    let found = sqlx::query(
        "SELECT (SELECT stream FROM entities WHERE owner = $1 AND kind = $2 AND id = $3) AS stream,
             ARRAY(SELECT command FROM journal WHERE stream = $4 AND version BETWEEN $5 AND $6
                 ORDER BY version) AS commands",
    )
    .bind(append.address.owner.0)
    .bind(append.address.kind.as_str())
    .bind(append.address.id)
    .bind(append.stream.0)
    .bind(columns::version(first))
    .bind(columns::version(last))
    .fetch_one(connection)
    .await?;
    let stream: Option<Uuid> = found.try_get("stream")?;
    let commands: Vec<Uuid> = found.try_get("commands")?;
    let is_open = append.opening == Opening::No || stream == Some(append.stream.0);
    let offered = append.events.iter().map(|event| event.stamp.command.0);
    Ok(if is_open && offered.eq(commands) { Outcome::Committed } else { Outcome::Conflict })
}

async fn save_on(
    connection: &mut PgConnection,
    writer: &Writer,
    snapshots: &[SnapshotWrite],
) -> sqlx::Result<()> {
    // Of several of one stream the newest stands: a statement changes a row once.
    let mut newest: BTreeMap<StreamId, &SnapshotWrite> = BTreeMap::new();
    for write in snapshots {
        let known = newest.entry(write.stream).or_insert(write);
        if known.snapshot.version <= write.snapshot.version {
            *known = write;
        }
    }
    let newest: Vec<&SnapshotWrite> = newest.into_values().collect();
    let mut transaction = connection.begin().await?;
    let shards = newest.iter().map(|write| held(write.address.shard(), write.epoch)).collect();
    let mut statement = Statement::under(writer, &shards)?;
    tables::snapshots(&mut statement, &newest)?;
    let saved = statement.run(&mut transaction, "stream FROM snapshots_in").await?;
    let saved: HashSet<Uuid> = saved.iter().map(|row| row.try_get("stream")).collect::<sqlx::Result<_>>()?;
    let mut rows = Rows::default();
    let mut shards = BTreeSet::new();
    for write in newest.into_iter().filter(|write| saved.contains(&write.stream.0)) {
        let holder = Holder { gym: write.gym, owner: write.address.owner, epoch: write.epoch };
        rows.add(holder, &write.rows);
        shards.insert(held(write.address.shard(), write.epoch));
    }
    // The locks of the first statement are held until the end.
    let mut statement = Statement::under(writer, &shards)?;
    tables::read_models(&mut statement, rows, Sets::MayHaveRows)?;
    statement.run_whole(&mut transaction).await?;
    transaction.commit().await
}

/// Said by `spotter_whole` of the first migration.
const NOT_WHOLE: &str = "SP001";
/// A key is taken: by an earlier offer of the same rows, by another writer's, or by a set that is logged again.
const TAKEN: &str = "23505";

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

/// Whether the server refused a row for what it holds: its form, a constraint, or its size.
fn refuses_content(error: &sqlx::Error) -> bool {
    const FORM: &str = "22";
    const CONSTRAINT: &str = "23";
    const TOO_BIG: &str = "54000";
    code(error).is_some_and(|code| code.starts_with(FORM) || code.starts_with(CONSTRAINT) || code == TOO_BIG)
}
