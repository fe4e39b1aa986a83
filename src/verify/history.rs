//! The journal of an entity: its streams, and their rows page by page.

use spotter_actors::EventRow;
use spotter_protocol::{StreamId, Version};

use super::{Finding, Report, Subject};
use crate::db::{Row, Transaction, query};
use crate::store::{columns, read};

/// Rows read at once.
const ROWS: u32 = 200;
/// The kind of the row that ends a stream which was left.
pub(super) const SEAL: &str = "moved";

/// A row of the journal with the epoch it was written under.
pub(super) struct Line {
    pub(super) epoch: i64,
    pub(super) event: EventRow,
}

/// The streams of an entity, oldest first: from the one it is in back through the seals that lead to it.
pub(super) async fn streams(
    moment: &mut Transaction,
    subject: &Subject,
    report: &mut Report,
) -> sqlx::Result<Vec<StreamId>> {
    let mut streams = vec![subject.stream];
    let mut newest = subject.stream;
    // One that begins with the entity followed no other.
    while newest != subject.stream || subject.first > Version(1) {
        let seals = query("SELECT stream, version FROM journal WHERE kind = 'moved' AND body = $1 LIMIT 2");
        let seals = seals.bind(newest.0.as_bytes().as_slice()).fetch_all(&mut *moment).await?;
        let Some(seal) = seals.first() else { break };
        let left = StreamId(seal.get("stream")?);
        let is_circle = streams.contains(&left);
        if seals.len() > 1 || is_circle {
            let what = if is_circle {
                "its streams lead back to this one"
            } else {
                "two streams were left for this one"
            };
            report.note(Finding {
                address: Some(subject.address),
                stream: Some(newest),
                version: Some(version(seal)?),
                what: what.to_owned(),
            });
        }
        if is_circle {
            break;
        }
        streams.push(left);
        newest = left;
    }
    streams.reverse();
    Ok(streams)
}

/// The next rows of a stream after `since`; fewer than [`is_full`] asks for when there are no more.
pub(super) async fn rows(
    moment: &mut Transaction,
    stream: StreamId,
    since: Version,
) -> sqlx::Result<Vec<Line>> {
    let rows = query(
        "SELECT version, epoch, kind, schema, at, received_at, device_at, clock_offset, author, command, client, n, body
         FROM journal WHERE stream = $1 AND version > $2 ORDER BY version LIMIT $3",
    );
    let rows = rows.bind(stream.0).bind(columns::version(since)).bind(ROWS).fetch_all(moment).await?;
    rows.iter().map(|row| Ok(Line { epoch: row.get("epoch")?, event: read::event_row(row)? })).collect()
}

/// Whether there may be more after these.
pub(super) fn is_full(rows: &[Line]) -> bool {
    rows.len() == ROWS as usize
}

pub(super) fn version(row: &Row) -> sqlx::Result<Version> {
    Ok(Version(row.get::<i64>("version")?.cast_unsigned()))
}
