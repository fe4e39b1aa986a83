//! Whether a whole database keeps what it promises: every entity is replayed from its journal and compared with all
//! that is kept beside it. It only reads, also beside a running node: what belongs together is read as of one moment.

mod cells;
mod entity;
mod history;
mod models;
mod sweep;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use spotter_actors::SnapshotRow;
use spotter_protocol::{Address, EntityKind, GymId, Shard, StreamId, Timestamp, UserId, Version};
use spotter_rules::{Inbox, Room, Session};
use uuid::Uuid;

use self::models::Stored;
use crate::db::{Pool, Row, Transaction, json_list, query, query_each};

/// Findings that are kept; more are counted.
pub const FINDINGS_MAX: usize = 100;
/// Entities read as of one moment: their rows are held together.
const PAGE: u32 = 64;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entity, where one is concerned.
    pub address: Option<Address>,
    /// Its stream.
    pub stream: Option<StreamId>,
    /// The version.
    pub version: Option<Version>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    /// One line: entity, stream, version, what is wrong; tabs between, `-` for what does not apply.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        let address = shown(self.address.map(|address| address.to_string()));
        let stream = shown(self.stream.map(|stream| stream.0.to_string()));
        let version = shown(self.version.map(|version| version.0.to_string()));
        write!(f, "{address}\t{stream}\t{version}\t{}", self.what.replace(['\n', '\t'], " "))
    }
}

/// How much has been looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entities.
    pub entities: u64,
    /// Events, in all their streams.
    pub events: u64,
    /// Rows of sets.
    pub sets: u64,
    /// Rows of messages.
    pub messages: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was looked at.
    pub counts: Counts,
    /// The first findings, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many there are in all; of those that the tables show of each other at most 10,000 of a kind.
    pub found: u64,
}

impl Report {
    fn note(&mut self, finding: Finding) {
        self.found += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

/// An entity as its row names it, with what is kept of it once.
struct Subject {
    address: Address,
    gym: GymId,
    /// The stream it is in.
    stream: StreamId,
    /// The version with which that stream begins.
    first: Version,
    snapshot: Option<SnapshotRow>,
    reminder: Option<Timestamp>,
    /// The epoch of its shard: none of its events has a higher one.
    epoch: i64,
}

/// Checks everything. `progress` is told after every page of entities, and between the long questions that
/// follow.
///
/// # Errors
/// When the database does not answer, or a table does not have the columns of this build.
pub async fn run(pool: &Pool, mut progress: impl FnMut(Counts)) -> sqlx::Result<Report> {
    let mut report = Report::default();
    let mut after = (Uuid::nil(), String::new(), Uuid::nil());
    loop {
        let mut moment = pool.moment().await?;
        let page = page(&mut moment, &after).await?;
        let Some(last) = page.last() else { break };
        after = key(last)?;
        let subjects = subjects(&mut moment, &page, &mut report).await?;
        for of_owner in subjects.chunk_by(|one, next| one.address.owner == next.address.owner) {
            check_owner(&mut moment, of_owner, &mut report).await?;
        }
        report.counts.entities += page.len() as u64;
        progress(report.counts);
    }
    sweep::sweep(pool, &mut report, progress).await?;
    Ok(report)
}

/// Checks only what the tables say of each other, without replaying anything.
///
/// # Errors
/// See [`run`].
pub async fn quick(pool: &Pool) -> sqlx::Result<Report> {
    let mut report = Report::default();
    sweep::sweep(pool, &mut report, |_| {}).await?;
    Ok(report)
}

/// The next entities in the order of their key.
async fn page(moment: &mut Transaction, after: &(Uuid, String, Uuid)) -> sqlx::Result<Vec<Row>> {
    let page = query(
        "SELECT entities.owner, entities.kind, entities.id, entities.gym, entities.stream, entities.first_version,
             snapshots.version, snapshots.schema, snapshots.body, reminders.at AS reminder
         FROM entities
         LEFT JOIN snapshots ON snapshots.stream = entities.stream
         LEFT JOIN reminders ON reminders.owner = entities.owner AND reminders.kind = entities.kind
             AND reminders.id = entities.id
         WHERE (entities.owner, entities.kind, entities.id) > ($1, $2, $3)
         ORDER BY entities.owner, entities.kind, entities.id LIMIT $4",
    );
    page.bind(after.0).bind(after.1.as_str()).bind(after.2).bind(PAGE).fetch_all(moment).await
}

fn key(row: &Row) -> sqlx::Result<(Uuid, String, Uuid)> {
    Ok((row.get("owner")?, row.get("kind")?, row.get("id")?))
}

async fn subjects(moment: &mut Transaction, page: &[Row], report: &mut Report) -> sqlx::Result<Vec<Subject>> {
    let owners = page.iter().map(|row| Ok(UserId(row.get("owner")?)));
    let owners = owners.collect::<sqlx::Result<BTreeSet<_>>>()?;
    let shards = query_each(
        "SELECT shard, epoch FROM shards WHERE shard IN (SELECT value FROM json_each($1))",
        "SELECT shard, epoch FROM shards
         WHERE shard IN (SELECT value::int FROM json_array_elements_text($1::json) AS given (value))",
    );
    let numbers = json_list(owners.into_iter().map(|owner| Shard::of(owner).number().into()));
    let shards = shards.bind(numbers).fetch_all(&mut *moment).await?;
    let epochs = shards.iter().map(|row| Ok((row.get("shard")?, row.get("epoch")?)));
    let epochs: HashMap<u16, i64> = epochs.collect::<sqlx::Result<_>>()?;
    let mut subjects = Vec::with_capacity(page.len());
    for row in page {
        let (owner, kind, id) = key(row)?;
        let stream = StreamId(row.get("stream")?);
        let Ok(kind) = kind.parse() else {
            let what = format!("this build knows no entity of kind {kind:?}: {kind}/{owner}/{id}");
            report.note(Finding { address: None, stream: Some(stream), version: None, what });
            continue;
        };
        let address = Address { kind, owner: UserId(owner), id };
        let snapshot = match row.get::<Option<i64>>("version")? {
            Some(version) => Some(SnapshotRow {
                version: Version(version.cast_unsigned()),
                schema: row.get("schema")?,
                body: row.get("body")?,
            }),
            None => None,
        };
        subjects.push(Subject {
            address,
            gym: GymId(row.get("gym")?),
            stream,
            first: Version(row.get::<i64>("first_version")?.cast_unsigned()),
            snapshot,
            reminder: row.get::<Option<i64>>("reminder")?.map(Timestamp),
            epoch: epochs.get(&address.shard().number()).copied().unwrap_or_default(),
        });
    }
    Ok(subjects)
}

/// Checks entities of one owner, whose rows lie side by side.
async fn check_owner(
    moment: &mut Transaction,
    subjects: &[Subject],
    report: &mut Report,
) -> sqlx::Result<()> {
    let mut stored = models::stored(moment, subjects).await?;
    for subject in subjects {
        match subject.address.kind {
            EntityKind::Session => {
                let stored = stored.remove(&subject.address.id).unwrap_or_default();
                entity::check::<Session>(moment, subject, stored, report).await?;
            }
            EntityKind::Inbox => entity::check::<Inbox>(moment, subject, Stored::default(), report).await?,
            EntityKind::Room => entity::check::<Room>(moment, subject, Stored::default(), report).await?,
        }
    }
    Ok(())
}
