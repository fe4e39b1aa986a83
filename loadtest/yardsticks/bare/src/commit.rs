//! Group commit: whatever came while one statement was under way goes with the next. A statement that has returned is
//! flushed, since it is a transaction of its own.

use std::sync::Arc;

use spotter_protocol::{
    Codec, CommandId, Reply, ServerFrame, SessionEvent, Timestamp, UserId, Version, Vocabulary,
};
use tokio::sync::mpsc;
use tokio_postgres::{Client, NoTls};

use crate::gym::Session;
use crate::outbox::Outbox;

/// Rows of one statement.
const BATCH_MAX: usize = 1_000;

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS log (
    session uuid NOT NULL,
    version bigint NOT NULL,
    author uuid NOT NULL,
    command uuid NOT NULL,
    at bigint NOT NULL,
    received_at bigint NOT NULL,
    kind text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (session, version)
)";

const INSERT: &str = "
INSERT INTO log
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::text[], $8::bytea[])";

/// A command that has its version and is not durable yet.
pub(crate) struct Logged {
    pub(crate) session: Arc<Session>,
    pub(crate) version: Version,
    pub(crate) author: UserId,
    pub(crate) command: CommandId,
    pub(crate) at: Timestamp,
    pub(crate) received_at: Timestamp,
    pub(crate) event: SessionEvent,
    /// The request that its author waits for.
    pub(crate) req: u64,
    pub(crate) reply_to: Arc<Outbox>,
}

pub(crate) async fn connect(database: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await?;
    // Its end is seen by the next statement.
    tokio::spawn(connection);
    client.batch_execute(TABLE).await?;
    Ok(client)
}

/// Writes what waits, shows it and answers, until nobody sends any more.
pub(crate) async fn write(client: Client, mut waiting: mpsc::Receiver<Logged>) -> anyhow::Result<()> {
    let insert = client.prepare(INSERT).await?;
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let column = |of: fn(&Logged) -> i64| batch.iter().map(of).collect::<Vec<_>>();
        let id = |of: fn(&Logged) -> uuid::Uuid| batch.iter().map(of).collect::<Vec<_>>();
        let kinds: Vec<_> = batch.iter().map(|logged| SessionEvent::name(logged.event.kind())).collect();
        let bodies = batch.iter().map(|logged| logged.event.body_to_msgpack());
        let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
        client
            .execute(
                &insert,
                &[
                    &id(|logged| logged.session.address.id),
                    &column(|logged| i64::try_from(logged.version.0).unwrap_or(i64::MAX)),
                    &id(|logged| logged.author.0),
                    &id(|logged| logged.command.0),
                    &column(|logged| logged.at.0),
                    &column(|logged| logged.received_at.0),
                    &kinds,
                    &bodies,
                ],
            )
            .await?;
        for logged in batch.drain(..) {
            logged.session.publish(&logged);
            let reply = ServerFrame::Reply(Reply::ok(logged.req, logged.version));
            logged.reply_to.push(reply.encode(Codec::MsgPack).into());
        }
    }
    Ok(())
}
