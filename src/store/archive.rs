//! Months of the journal that no entity is in any more: which they are, what is in them, and taking them away. Nothing
//! is written to such a month: all its streams are sealed, and new ones are minted now.

use serde::Serialize;
use spotter_actors::{Claim, StoreError};
use spotter_protocol::StreamId;

use super::{Kept, Month, Store, failed};
use crate::db::{Row, query};
use crate::digest::hex;

/// A month of which the journal still holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldMonth {
    /// Which.
    pub month: Month,
    /// The entities that are in a stream of it. With none it can be taken away.
    pub residents: u64,
}

/// What became of a month that was to be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAway {
    /// Nothing of it is left.
    Whole,
    /// Some rows of it; to be asked again for the rest.
    Partly,
    /// Nothing: as many entities are in it.
    LivedIn(u64),
    /// Nothing: this node does not hold all shards any more.
    Fenced,
    /// Nothing: somebody reads it for too long. To be asked again.
    Busy,
}

/// A row of the journal as a file keeps it: the columns of the table by their names. Ids are text, `body` is in
/// hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptRow {
    stream: StreamId,
    version: i64,
    epoch: i64,
    kind: String,
    schema: i64,
    at: i64,
    received_at: i64,
    device_at: i64,
    clock_offset: i64,
    author: uuid::Uuid,
    command: uuid::Uuid,
    client: uuid::Uuid,
    n: i64,
    body: String,
}

impl KeptRow {
    fn read(row: &Row) -> sqlx::Result<Self> {
        Ok(Self {
            stream: StreamId(row.get("stream")?),
            version: row.get("version")?,
            epoch: row.get("epoch")?,
            kind: row.get("kind")?,
            schema: row.get("schema")?,
            at: row.get("at")?,
            received_at: row.get("received_at")?,
            device_at: row.get("device_at")?,
            clock_offset: row.get("clock_offset")?,
            author: row.get("author")?,
            command: row.get("command")?,
            client: row.get("client")?,
            n: row.get("n")?,
            body: hex(&row.get::<Vec<u8>>("body")?),
        })
    }

    /// Its place in the journal.
    pub const fn place(&self) -> (StreamId, i64) {
        (self.stream, self.version)
    }
}

impl Store {
    /// The months before `boundary` of which the journal holds something, oldest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn months_before(&self, boundary: Month) -> Result<Vec<OldMonth>, StoreError> {
        let months = match &self.kept {
            Kept::File(file) => file.months_before(boundary).await,
            Kept::Server { connections, .. } => connections.months_before(boundary).await,
        };
        let mut old = Vec::new();
        for month in months.map_err(failed)? {
            let residents =
                query("SELECT count(*) AS residents FROM entities WHERE stream >= $1 AND stream < $2");
            let streams = month.streams();
            let residents = residents.bind(streams.start.0).bind(streams.end.0);
            let row = residents.fetch_one(&self.db.reader).await.map_err(failed)?;
            let residents = row.get::<i64>("residents").map_err(failed)?.unsigned_abs();
            old.push(OldMonth { month, residents });
        }
        Ok(old)
    }

    /// At most `limit` rows of a month behind a place in the journal, in the order of their places.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn rows_of(
        &self,
        month: Month,
        behind: Option<(StreamId, i64)>,
        limit: u32,
    ) -> Result<Vec<KeptRow>, StoreError> {
        let streams = month.streams();
        // No row has version 0.
        let (stream, version) = behind.unwrap_or((streams.start, 0));
        let rows = query(
            "SELECT stream, version, epoch, kind, schema, at, received_at, device_at, clock_offset, author, command,
                 client, n, body
             FROM journal WHERE stream >= $1 AND stream < $3 AND (stream, version) > ($1, $2) ORDER BY stream, version LIMIT $4",
        );
        let rows = rows.bind(stream.0).bind(version).bind(streams.end.0).bind(limit);
        let rows = rows.fetch_all(&self.db.reader).await.map_err(failed)?;
        rows.iter().map(KeptRow::read).collect::<sqlx::Result<_>>().map_err(failed)
    }

    /// Takes a month away in which no entity is, or a part of it, as the holder of `claim`: of all shards, since
    /// everybody's streams lie in a month. Read models stay.
    ///
    /// # Errors
    /// When the store does not answer: whether something was taken away is unknown.
    pub async fn take_away(&self, claim: &Claim, month: Month) -> Result<TakenAway, StoreError> {
        match &self.kept {
            Kept::File(file) => file.take_away(claim, month).await.map_err(failed),
            Kept::Server { connections, tenure: Some(tenure) } => {
                connections.take_away(tenure, claim, month).await.map_err(failed)
            }
            Kept::Server { tenure: None, .. } => Ok(TakenAway::Fenced),
        }
    }
}
