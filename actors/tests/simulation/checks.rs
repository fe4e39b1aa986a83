//! What is true of every world once it has settled.

use std::collections::BTreeSet;
use std::time::Duration;

use spotter_actors::{CatchUp, EventRow};
use spotter_protocol::{Address, EntityKind, InboxEvent, MessageId, Recorded, UserId, View};
use spotter_rules::{Entity, Inbox, Room, Rules, Session};

use crate::process::Process;
use crate::world::{GYM, World};

/// By the process's own time.
const DRAINED_WITHIN: Duration = Duration::from_secs(120);

pub(crate) fn at_the_end(world: &mut World) -> Result<(), String> {
    let (tale, ground) = (world.ground.ledger.tale(), world.ground.clone());
    let process = world.current().ok_or("nobody serves")?;
    for (address, rows) in tale.entities() {
        if ground.journal.history(GYM, address) != rows {
            return Err(format!("{address}: the journal is not what was written"));
        }
        match address.kind {
            EntityKind::Session => is_its_journal::<Session>(process, address, &rows)?,
            EntityKind::Inbox => is_its_journal::<Inbox>(process, address, &rows)?,
            EntityKind::Room => is_its_journal::<Room>(process, address, &rows)?,
        }
    }
    for (to, command) in ground.ledger.acknowledged() {
        tale.done(to, command).ok_or_else(|| format!("{to}: {command} was acknowledged and is not there"))?;
    }
    messages_arrive(&tale.entities().collect::<Vec<_>>())?;
    let drained = async { tokio::time::timeout(DRAINED_WITHIN, process.engine.drain()).await };
    process.runtime.block_on(drained).map_err(|_| "the engine does not come to rest")?;
    ground.ledger.wrong().map_or(Ok(()), Err)
}

/// An entity is the same whether it is folded from its first event, or loaded by its newest snapshot; and so it is
/// shown to a subscriber.
fn is_its_journal<S: Rules>(process: &Process, address: Address, rows: &[EventRow]) -> Result<(), String> {
    let journal = process.engine.journal();
    let stored = process.runtime.block_on(journal.load(GYM, address)).map_err(|error| error.to_string())?;
    let stored = stored.ok_or_else(|| format!("{address} is nowhere"))?;
    let folded = Entity::<S>::replay(&read::<S>(rows)?).map_err(|error| error.to_string())?;
    let loaded = match &stored.snapshot {
        Some(snapshot) => {
            let saved = Entity::<S>::from_stored(snapshot.schema, &snapshot.body);
            saved
                .ok_or_else(|| format!("{address}: a snapshot cannot be read"))?
                .after(&read::<S>(&stored.tail)?)
        }
        None => Entity::replay(&read::<S>(&stored.tail)?).map_err(|error| error.to_string())?,
    };
    if loaded != folded {
        return Err(format!("{address}: loaded it is another than folded"));
    }
    let shown = process.runtime.block_on(process.engine.catch_up(GYM, address, None, View::Athlete));
    let state = folded.state().view(View::Athlete);
    match (shown, state) {
        (Ok(CatchUp::Snapshot(version, shown)), Some(state))
            if version == folded.head() && shown == state =>
        {
            Ok(())
        }
        (other, _) => Err(format!("{address}: a subscriber is shown {other:?}")),
    }
}

fn read<S: Rules>(rows: &[EventRow]) -> Result<Vec<Recorded<S::Event>>, String> {
    let read = |row: &EventRow| Recorded::read(row.version, row.stamp, &row.kind, row.schema, &row.body);
    rows.iter().map(|row| read(row).map_err(|error| error.to_string())).collect()
}

/// What one person sent another is what the other received: each message once, in order.
fn messages_arrive(entities: &[(Address, Vec<EventRow>)]) -> Result<(), String> {
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for (address, rows) in entities.iter().filter(|(address, _)| address.kind == EntityKind::Inbox) {
        for recorded in read::<Inbox>(rows)? {
            match recorded.event {
                InboxEvent::MessageSent(message) => sent.push((address.owner, message.to, message.id)),
                InboxEvent::MessageReceived(message) => {
                    received.push((message.from, address.owner, message.id));
                }
                _ => {}
            }
        }
    }
    let pairs: BTreeSet<(UserId, UserId)> =
        sent.iter().chain(&received).map(|(from, to, _)| (*from, *to)).collect();
    for pair in pairs {
        let of = |all: &[(UserId, UserId, MessageId)]| -> Vec<MessageId> {
            all.iter().filter(|(from, to, _)| (*from, *to) == pair).map(|(.., id)| *id).collect()
        };
        if of(&sent) != of(&received) {
            return Err(format!("messages from {} to {} are not those that arrived", pair.0, pair.1));
        }
    }
    Ok(())
}
