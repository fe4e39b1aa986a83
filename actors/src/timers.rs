//! Asks entities at the moments they wanted to be asked at.
//!
//! A reminder is a row, written with the events that made it and gone with the events it caused; what is due soon
//! is loaded ahead into one list for the node. A reminder that rings too early costs one question: the entity says
//! that it is too early and moves its row. One that was not taken rings again when it is next loaded.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use spotter_protocol::{Abandon, Address, Command, CommandId, EntityKind, GymId, Timestamp};
use tracing::warn;
use uuid::Uuid;

use crate::ask::{Ask, ReplyTo};
use crate::directory::Directory;
use crate::{Clock, Journal};

/// How often the list is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Ticks between two loads.
const LOAD_EVERY: u32 = 10;
/// How far ahead reminders are loaded; further than the next load.
const AHEAD_MICROS: i64 = 60 * 1_000_000;
/// Reminders loaded at once, earliest first; the others come with a later load.
const LOADED_MAX: u32 = 10_000;

/// Starts the timers of a node; they end with its directory.
pub(crate) fn start(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, directory: &Arc<Directory>) {
    tokio::spawn(run(journal, clock, Arc::downgrade(directory)));
}

async fn run(journal: Arc<dyn Journal>, clock: Arc<dyn Clock>, directory: Weak<Directory>) {
    let mut ticks = tokio::time::interval(TICK);
    let mut waiting: BTreeMap<(Timestamp, Address), GymId> = BTreeMap::new();
    for tick in 0_u32.. {
        ticks.tick().await;
        let now = clock.now();
        if tick.is_multiple_of(LOAD_EVERY) {
            match journal.reminders(now.shifted(AHEAD_MICROS), LOADED_MAX).await {
                Ok(reminders) => {
                    waiting = reminders.into_iter().map(|one| ((one.at, one.address), one.gym)).collect();
                }
                Err(error) => warn!(%error, "reminders not loaded"),
            }
        }
        let Some(directory) = directory.upgrade() else { return };
        while let Some(entry) = waiting.first_entry()
            && entry.key().0 <= now
        {
            let ((_, address), gym) = entry.remove_entry();
            if directory.is_open(address) {
                ring(&directory, gym, address, now);
            }
        }
    }
}

fn ring(directory: &Arc<Directory>, gym: GymId, to: Address, now: Timestamp) {
    let command: Command = match to.kind {
        EntityKind::Session => Abandon {}.into(),
        // They have nothing that is ever due.
        EntityKind::Inbox | EntityKind::Room => return,
    };
    // What was not taken rings again.
    let reply = ReplyTo::new(|_| {});
    let id = CommandId(Uuid::now_v7());
    directory.dispatch(Ask::of_server(gym, to.owner, id, now, to, command, now, reply));
}
