//! What the tables have to say of each other, each asked of the database in one question: nothing stands alone that
//! belongs to something, and nothing stands twice.

use std::collections::BTreeMap;

use spotter_protocol::{Address, CommandId, EntityKind, StreamId, UserId};
use uuid::Uuid;

use super::history::version;
use super::{Counts, FINDINGS_MAX, Finding, Report};
use crate::db::{Pool, Query, Row, Transaction, json_list, query, query_each};
use crate::store::Month;

/// Findings of one kind that are counted.
pub(super) const LIMIT: u32 = 10_000;

/// Asks all of it; `progress` is told after each part.
pub(super) async fn sweep(
    pool: &Pool,
    report: &mut Report,
    mut progress: impl FnMut(Counts),
) -> sqlx::Result<()> {
    streams(pool, report).await?;
    progress(report.counts);
    commands(pool, report).await?;
    progress(report.counts);
    rows_of_nobody(pool, report).await?;
    progress(report.counts);
    letters_and_links(pool, report).await
}

/// Notes every row of an answer.
async fn each(
    pool: &Pool,
    report: &mut Report,
    question: Query,
    finding: impl Fn(&Row) -> sqlx::Result<Finding>,
) -> sqlx::Result<()> {
    let mut moment = pool.moment().await?;
    for row in question.bind(LIMIT).fetch_all(&mut moment).await? {
        report.note(finding(&row)?);
    }
    Ok(())
}

/// Every stream is that of an entity, or leads to one.
async fn streams(pool: &Pool, report: &mut Report) -> sqlx::Result<()> {
    let of_stream = |what: &'static str| {
        move |row: &Row| {
            let (stream, version) = (Some(StreamId(row.get("stream")?)), Some(version(row)?));
            Ok(Finding { address: None, stream, version, what: what.to_owned() })
        }
    };
    let lost = query_each(
        "SELECT stream, min(version) AS version FROM journal WHERE stream NOT IN (SELECT stream FROM entities)
             AND stream NOT IN (SELECT stream FROM journal WHERE kind = 'moved')
         GROUP BY stream LIMIT $1",
        "SELECT stream, min(version) AS version FROM journal
         WHERE NOT EXISTS (SELECT FROM entities WHERE entities.stream = journal.stream)
             AND NOT EXISTS (SELECT FROM journal AS seal WHERE seal.kind = 'moved' AND seal.stream = journal.stream)
         GROUP BY stream LIMIT $1",
    );
    each(pool, report, lost, of_stream("events of a stream that no entity leads to")).await?;
    seals(pool, report).await?;
    let snapshots = query_each(
        "SELECT stream, version FROM snapshots WHERE stream NOT IN (SELECT stream FROM entities) LIMIT $1",
        "SELECT stream, version FROM snapshots
         WHERE NOT EXISTS (SELECT FROM entities WHERE entities.stream = snapshots.stream) LIMIT $1",
    );
    each(pool, report, snapshots, of_stream("a snapshot of a stream that no entity is in")).await
}

/// Every seal leads to a stream that is there, or whose month was taken away whole.
async fn seals(pool: &Pool, report: &mut Report) -> sqlx::Result<()> {
    let nowhere = query_each(
        "SELECT stream, version, body FROM journal WHERE kind = 'moved'
             AND body NOT IN (SELECT stream FROM entities)
             AND body NOT IN (SELECT stream FROM journal WHERE kind = 'moved') LIMIT $1",
        "SELECT stream, version, body FROM journal WHERE kind = 'moved'
             AND NOT EXISTS (SELECT FROM entities WHERE uuid_send(entities.stream) = journal.body)
             AND NOT EXISTS (
                 SELECT FROM journal AS seal WHERE seal.kind = 'moved' AND uuid_send(seal.stream) = journal.body)
         LIMIT $1",
    );
    let mut moment = pool.moment().await?;
    let mut gone: BTreeMap<Month, bool> = BTreeMap::new();
    for row in nowhere.bind(LIMIT).fetch_all(&mut moment).await? {
        if let Ok(next) = Uuid::from_slice(&row.get::<Vec<u8>>("body")?) {
            let month = Month::of(StreamId(next).minted_at());
            let is_gone = match gone.get(&month) {
                Some(is_gone) => *is_gone,
                None => is_empty(&mut moment, month).await?,
            };
            gone.insert(month, is_gone);
            if is_gone {
                continue;
            }
        }
        let (stream, version) = (Some(StreamId(row.get("stream")?)), Some(version(&row)?));
        let what = "the seal leads to a stream that is not there".to_owned();
        report.note(Finding { address: None, stream, version, what });
    }
    Ok(())
}

async fn is_empty(moment: &mut Transaction, month: Month) -> sqlx::Result<bool> {
    let streams = month.streams();
    let rows = query("SELECT version FROM journal WHERE stream >= $1 AND stream < $2 LIMIT 1");
    let row = rows.bind(streams.start.0).bind(streams.end.0).fetch_optional(moment).await?;
    Ok(row.is_none())
}

/// A command is done once, to one entity: its events are one run of versions in one stream.
async fn commands(pool: &Pool, report: &mut Report) -> sqlx::Result<()> {
    let mut moment = pool.moment().await?;
    let doubled = query(
        "SELECT command FROM journal WHERE kind <> 'moved' GROUP BY command
         HAVING count(*) > 1 AND (count(DISTINCT stream) > 1 OR max(version) - min(version) + 1 <> count(*)) LIMIT $1",
    );
    let doubled = doubled.bind(LIMIT).fetch_all(&mut moment).await?;
    let named = doubled.iter().take(FINDINGS_MAX).map(|row| row.get::<Uuid>("command"));
    let named = named.collect::<sqlx::Result<Vec<_>>>()?;
    if named.is_empty() {
        return Ok(());
    }
    let places = query_each(
        "SELECT command, stream, version FROM journal
         WHERE kind <> 'moved' AND command IN (SELECT unhex(value) FROM json_each($1))
         ORDER BY command, stream, version LIMIT $2",
        "SELECT command, stream, version FROM journal WHERE kind <> 'moved'
             AND command IN (SELECT value::uuid FROM json_array_elements_text($1::json) AS given (value))
         ORDER BY command, stream, version LIMIT $2",
    );
    let named = json_list(named.iter().map(|command| command.simple().to_string().into()));
    let places = places.bind(named).bind(LIMIT).fetch_all(&mut moment).await?;
    let places = places
        .iter()
        .map(|row| Ok((CommandId(row.get("command")?), StreamId(row.get("stream")?), version(row)?)));
    let places = places.collect::<sqlx::Result<Vec<_>>>()?;
    for run in places.chunk_by(|one, next| one.0 == next.0) {
        // The first place that does not follow the one before it.
        let apart = run.windows(2).find(|two| two[0].1 != two[1].1 || two[0].2.next() != two[1].2);
        let Some([(command, one, at), (_, again, again_at)]) = apart else { continue };
        let (first, second) = (address(&mut moment, *one).await?, address(&mut moment, *again).await?);
        let first = first.map_or_else(|| format!("stream {}", one.0), |address| address.to_string());
        let what = format!("command {command} was done before: version {} of {first}", at.0);
        report.note(Finding { address: second, stream: Some(*again), version: Some(*again_at), what });
    }
    report.found += doubled.len().saturating_sub(FINDINGS_MAX) as u64;
    Ok(())
}

/// The entity that a stream is of, or leads to.
async fn address(moment: &mut Transaction, stream: StreamId) -> sqlx::Result<Option<Address>> {
    /// Streams that are followed.
    const STREAMS_MAX: u32 = 10_000;
    let mut stream = stream.0;
    for _ in 0..STREAMS_MAX {
        let entity = query("SELECT owner, kind, id FROM entities WHERE stream = $1").bind(stream);
        if let Some(row) = entity.fetch_optional(&mut *moment).await? {
            let (owner, id) = (UserId(row.get("owner")?), row.get("id")?);
            return Ok(row.get::<String>("kind")?.parse().ok().map(|kind| Address { kind, owner, id }));
        }
        let seal = query("SELECT body FROM journal WHERE stream = $1 AND kind = 'moved'").bind(stream);
        let Some(seal) = seal.fetch_optional(&mut *moment).await? else { break };
        let Ok(next) = Uuid::from_slice(&seal.get::<Vec<u8>>("body")?) else { break };
        stream = next;
    }
    Ok(None)
}

/// What is kept beside an entity has an entity.
async fn rows_of_nobody(pool: &Pool, report: &mut Report) -> sqlx::Result<()> {
    let beside = |kind: EntityKind, what: &'static str| {
        move |row: &Row| {
            let address = Address { kind, owner: UserId(row.get("owner")?), id: row.get("id")? };
            Ok(Finding { address: Some(address), stream: None, version: None, what: what.to_owned() })
        }
    };
    let sets = query(
        "SELECT DISTINCT owner, session AS id FROM sets WHERE NOT EXISTS (SELECT 1 FROM entities
             WHERE entities.owner = sets.owner AND entities.kind = 'session' AND entities.id = sets.session) LIMIT $1",
    );
    each(pool, report, sets, beside(EntityKind::Session, "sets of a session that is not there")).await?;
    let bests = query(
        "SELECT DISTINCT owner, session AS id FROM bests WHERE NOT EXISTS (SELECT 1 FROM entities
             WHERE entities.owner = bests.owner AND entities.kind = 'session' AND entities.id = bests.session) LIMIT $1",
    );
    each(pool, report, bests, beside(EntityKind::Session, "bests of a session that is not there")).await?;
    let sessions = query(
        "SELECT owner, session AS id FROM sessions WHERE NOT EXISTS (SELECT 1 FROM entities WHERE
             entities.owner = sessions.owner AND entities.kind = 'session' AND entities.id = sessions.session) LIMIT $1",
    );
    each(pool, report, sessions, beside(EntityKind::Session, "the row of a session that is not there"))
        .await?;
    let messages = query(
        "SELECT DISTINCT owner, owner AS id FROM messages WHERE NOT EXISTS (SELECT 1 FROM entities
             WHERE entities.owner = messages.owner AND entities.kind = 'inbox' AND entities.id = messages.owner)
         LIMIT $1",
    );
    each(pool, report, messages, beside(EntityKind::Inbox, "messages of an inbox that is not there")).await?;
    let reminders = query(
        "SELECT reminders.owner, reminders.kind, reminders.id FROM reminders
         LEFT JOIN entities ON entities.owner = reminders.owner AND entities.kind = reminders.kind
             AND entities.id = reminders.id
         WHERE entities.gym IS NULL OR entities.gym <> reminders.gym LIMIT $1",
    );
    each(pool, report, reminders, |row| {
        let (kind, owner, id): (String, Uuid, Uuid) = (row.get("kind")?, row.get("owner")?, row.get("id")?);
        let address = kind.parse().ok().map(|kind| Address { kind, owner: UserId(owner), id });
        let what = format!("the reminder of {kind}/{owner}/{id} points to no entity of its gym");
        Ok(Finding { address, stream: None, version: None, what })
    })
    .await
}

/// Letters, links and accounts stay within a gym.
async fn letters_and_links(pool: &Pool, report: &mut Report) -> sqlx::Result<()> {
    let letters = query(
        "SELECT letters.id, letters.recipient FROM letters LEFT JOIN users ON users.id = letters.recipient
         WHERE users.gym IS NULL OR users.gym <> letters.gym ORDER BY letters.id LIMIT $1",
    );
    each(pool, report, letters, |row| {
        let address = Address::inbox(UserId(row.get("recipient")?));
        let what = format!("letter {} is to nobody of its gym", row.get::<i64>("id")?);
        Ok(Finding { address: Some(address), stream: None, version: None, what })
    })
    .await?;
    let links = query(
        "SELECT links.id FROM links
         LEFT JOIN users AS coach ON coach.id = links.coach LEFT JOIN users AS athlete ON athlete.id = links.athlete
         WHERE coach.gym IS NULL OR athlete.gym IS NULL OR coach.gym <> links.gym OR athlete.gym <> links.gym
         ORDER BY links.id LIMIT $1",
    );
    each(pool, report, links, |row| {
        let what = format!("link {} is not between two people of its gym", row.get::<Uuid>("id")?);
        Ok(Finding { address: None, stream: None, version: None, what })
    })
    .await
}
