//! The two connections to Redis: one says, one hears. Each is made again when it breaks, and what may have been lost
//! meanwhile is looked for: by this node when it did not hear, by the others when it did not say.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubSink};
use redis::{Client, ErrorKind, Msg, Pipeline, RedisError};
use spotter_protocol::UserId;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::mesh::{Mesh, Outgoing};
use super::message::{Message, encode, encode_news};

/// How soon Redis answers; one that does not is away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// The wait between two attempts to reach it.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How often it is seen whether a quiet connection still hears.
const PING_EVERY: Duration = Duration::from_secs(1);
/// How often those who listen look into the journal while nothing is heard.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Messages said at once.
const SAID_AT_ONCE: usize = 256;
/// Channels asked for at once.
const CHANNELS_AT_ONCE: usize = 512;

/// How the channels of a cluster are named.
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// The channels of those who serve from one database.
    pub(super) fn of(database: &str) -> Self {
        Self { prefix: format!("spotter:{database}:") }
    }

    fn node(&self, node: Uuid) -> String {
        format!("{}node:{node}", self.prefix)
    }

    fn all(&self) -> String {
        format!("{}all", self.prefix)
    }

    fn owner(&self, owner: UserId) -> String {
        format!("{}owner:{}", self.prefix, owner.0)
    }

    /// The owner whose channel it is.
    fn is_owner(&self, channel: &str) -> Option<UserId> {
        channel.strip_prefix(&self.prefix)?.strip_prefix("owner:")?.parse().ok().map(UserId)
    }
}

/// Says and hears, for as long as it is polled.
pub(super) async fn keep(mesh: Arc<Mesh>, client: Client, names: Names, outgoing: mpsc::Receiver<Outgoing>) {
    tokio::join!(keep_saying(&mesh, &client, &names, outgoing), keep_hearing(&mesh, &client, &names));
}

async fn keep_saying(mesh: &Mesh, client: &Client, names: &Names, mut outgoing: mpsc::Receiver<Outgoing>) {
    let mut waiting = Vec::with_capacity(SAID_AT_ONCE);
    loop {
        if let Ok(mut connection) = in_time(client.get_multiplexed_async_connection()).await {
            // Others may have missed who is here.
            mesh.say_people(None);
            loop {
                // With whatever comes next: also what found no room while this connection was good.
                waiting.extend(mesh.take_lost().map(Outgoing::ToAll));
                if say(mesh, &mut connection, names, &mut waiting).await.is_err() {
                    break;
                }
                if outgoing.recv_many(&mut waiting, SAID_AT_ONCE).await == 0 {
                    return;
                }
            }
            mesh.away.lose_all();
        }
        // What is to be said meanwhile waits, as much of it as there is room for.
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Says what waits. When that fails it is lost, but for answers, which wait on: whoever has one already waits for it no
/// more, and whoever has none would wait for long.
async fn say(
    mesh: &Mesh,
    connection: &mut MultiplexedConnection,
    names: &Names,
    waiting: &mut Vec<Outgoing>,
) -> Result<(), RedisError> {
    let mut pipeline = Pipeline::with_capacity(waiting.len());
    let mut said: Vec<Outgoing> = Vec::with_capacity(waiting.len());
    let me = mesh.claims.node();
    for outgoing in waiting.drain(..) {
        let (channel, bytes) = match &outgoing {
            Outgoing::To(node, message) => (names.node(*node), Some(encode(me, message))),
            Outgoing::ToAll(message) => (names.all(), Some(encode(me, message))),
            Outgoing::News(owner, news) => (names.owner(*owner), encode_news(me, news)),
        };
        if let Some(bytes) = bytes {
            pipeline.publish(channel, bytes);
            said.push(outgoing);
        }
    }
    if said.is_empty() {
        return Ok(());
    }
    match in_time(pipeline.query_async::<Vec<u64>>(connection)).await {
        Ok(heard_by) => {
            for (outgoing, heard_by) in said.into_iter().zip(heard_by) {
                // A node that does not hear answers nothing either.
                if heard_by == 0 && matches!(outgoing, Outgoing::To(_, Message::Command(..))) {
                    mesh.lose(outgoing);
                }
            }
            Ok(())
        }
        Err(error) => {
            let is_answer = |said: &Outgoing| matches!(said, Outgoing::To(_, Message::Answer(..)));
            let (answers, lost): (Vec<_>, Vec<_>) = said.into_iter().partition(is_answer);
            waiting.extend(answers);
            lost.into_iter().for_each(|outgoing| mesh.lose(outgoing));
            Err(error)
        }
    }
}

async fn keep_hearing(mesh: &Arc<Mesh>, client: &Client, names: &Names) {
    // When those who listen looked into the journal last, while nothing is heard.
    let mut looked: Option<Instant> = None;
    loop {
        let Err(ended) = hear(mesh, client, names).await;
        if mesh.is_open() || looked.is_none() {
            warn!(error = %ended, "Redis is away: entities of other nodes are not reached, and followed by the journal");
            looked = None;
        }
        mesh.set_open(false);
        // Their answers are not heard.
        mesh.away.lose_all();
        if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            mesh.doubt(mesh.local.owners());
            looked = Some(Instant::now());
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// Hears until that fails.
async fn hear(mesh: &Arc<Mesh>, client: &Client, names: &Names) -> Result<Infallible, RedisError> {
    let (mut asks, mut heard) = in_time(client.get_async_pubsub()).await?.split();
    let own = [names.node(mesh.claims.node()), names.all()];
    in_time(asks.subscribe(&own)).await?;
    let mut followed = BTreeSet::new();
    mesh.interest.note(mesh.local.owners());
    follow(mesh, &mut asks, names, &mut followed).await?;
    mesh.set_open(true);
    info!("Redis is there: entities of other nodes are reached");
    mesh.say(Outgoing::ToAll(Message::WhoIsThere));
    mesh.say(Outgoing::ToAll(Message::Look));
    let mut pings = tokio::time::interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = heard.next() => match message {
                Some(message) => take(mesh, names, &message),
                None => return Err(away("the connection was closed")),
            },
            () = mesh.interest.changed.notified() => follow(mesh, &mut asks, names, &mut followed).await?,
            _ = pings.tick() => in_time(asks.ping::<()>()).await?,
        }
    }
}

fn take(mesh: &Arc<Mesh>, names: &Names, message: &Msg) {
    match names.is_owner(message.get_channel_name()) {
        Some(owner) => mesh.hear_news(owner, message.get_payload_bytes()),
        None => mesh.hear(message.get_payload_bytes()),
    }
}

/// Follows the owners to whom somebody listens here and no others. Who begins to be followed may have said something
/// before: whoever listens looks again.
async fn follow(
    mesh: &Mesh,
    asks: &mut PubSubSink,
    names: &Names,
    followed: &mut BTreeSet<UserId>,
) -> Result<(), RedisError> {
    let (heard, unheard): (Vec<UserId>, Vec<UserId>) =
        mesh.interest.take().into_iter().partition(|owner| mesh.local.is_heard(*owner));
    let begun: Vec<UserId> = heard.into_iter().filter(|owner| !followed.contains(owner)).collect();
    let ended: Vec<UserId> = unheard.into_iter().filter(|owner| followed.contains(owner)).collect();
    for some in begun.chunks(CHANNELS_AT_ONCE) {
        let channels: Vec<String> = some.iter().map(|owner| names.owner(*owner)).collect();
        in_time(asks.subscribe(&channels)).await?;
        followed.extend(some);
        mesh.doubt(some.iter().copied());
    }
    for some in ended.chunks(CHANNELS_AT_ONCE) {
        let channels: Vec<String> = some.iter().map(|owner| names.owner(*owner)).collect();
        in_time(asks.unsubscribe(&channels)).await?;
        some.iter().for_each(|owner| _ = followed.remove(owner));
    }
    Ok(())
}

async fn in_time<T>(asked: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    timeout(ANSWERS_WITHIN, asked).await.unwrap_or_else(|_| Err(away("it does not answer")))
}

fn away(why: &'static str) -> RedisError {
    RedisError::from((ErrorKind::Io, why))
}
