//! After the run: what the server has stored is read anew and compared with what it acknowledged, and people of one gym
//! ask for what is another's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use spotter_client::Socket;
use spotter_protocol::{Address, ClientFrame, ClientId, ServerFrame, Subscribe, Version};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::athlete::now;
use crate::ledger::{Ledger, Set};
use crate::reader;
use crate::server::Person;
use crate::target::Target;

/// How long one session may take.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// Connections at once.
const AT_ONCE: usize = 16;
/// Sessions of each gym that somebody of another gym asks for.
const ASKED_FOR: usize = 5;

/// Reads every session of the ledger anew, each over a connection of its own.
pub(crate) async fn reconcile(target: &Target, ledger: &Arc<Mutex<Ledger>>, run: u32) {
    let sessions = lock(ledger).sessions();
    let mut reading = JoinSet::new();
    for (to, gym, athlete) in sessions {
        if reading.len() == AT_ONCE {
            reading.join_next().await;
        }
        let (url, ledger) = (target.socket.clone(), Arc::clone(ledger));
        let token = target.athlete(gym, athlete).token.clone();
        reading.spawn(async move {
            match stored(&url, &token, to, run).await {
                Ok(Some((version, sets))) => lock(&ledger).stored(to, version, &sets),
                Ok(None) => lock(&ledger).not_stored(to, "not found"),
                Err(error) => lock(&ledger).not_stored(to, &format!("{error:#}")),
            }
        });
    }
    while reading.join_next().await.is_some() {}
}

/// Lets an athlete of another gym ask for some sessions of each. Whoever is let in has found a leak.
///
/// # Errors
/// When it cannot be asked.
pub(crate) async fn ask_across(target: &Target, ledger: &Arc<Mutex<Ledger>>, run: u32) -> anyhow::Result<()> {
    let sessions = lock(ledger).sessions();
    let first_of_each = target.gyms.iter().map(|gym| &gym.athletes[0]);
    let strangers: Vec<&Person> = first_of_each.chain(&target.stranger).collect();
    for gym in 0..target.gyms.len() as u16 {
        let other = (gym + 1) % strangers.len() as u16;
        let stranger = strangers[usize::from(other)];
        for (to, ..) in sessions.iter().filter(|(_, of, _)| *of == gym).take(ASKED_FOR) {
            if stored(&target.socket, &stranger.token, *to, run).await?.is_some() {
                lock(ledger).let_in(*to, other);
            }
        }
    }
    Ok(())
}

/// The version and the sets of a session, read from nothing; `None` when it is not there for this person.
async fn stored(
    url: &str,
    token: &str,
    to: Address,
    run: u32,
) -> anyhow::Result<Option<(Version, Vec<Set>)>> {
    let reading = async {
        let (mut socket, _) = Socket::open(url, token, ClientId(Uuid::now_v7()), None, now).await?;
        socket.send(&ClientFrame::Subscribe(Subscribe { req: 1, to, since: None, view: None })).await?;
        let (mut version, mut sets) = (Version(0), Vec::new());
        loop {
            match socket.next().await? {
                ServerFrame::Snapshot(snapshot) if snapshot.to == to => {
                    version = snapshot.v;
                    sets = reader::sets(&snapshot.state, run);
                }
                ServerFrame::Events(events) if events.to == to => {
                    version = events.events.last().map_or(version, |event| event.v);
                    sets.extend(events.events.iter().map(|event| reader::set(&event.ev, run)));
                }
                ServerFrame::Reply(reply) if reply.req == Some(1) => {
                    socket.close().await;
                    return anyhow::Ok(reply.error.is_none().then_some((version, sets)));
                }
                ServerFrame::Snapshot(_)
                | ServerFrame::Events(_)
                | ServerFrame::Reply(_)
                | ServerFrame::Welcome(_)
                | ServerFrame::Tiles(_)
                | ServerFrame::Signal(_)
                | ServerFrame::Revoked(_)
                | ServerFrame::GoAway(_)
                | ServerFrame::Pong(_) => {}
            }
        }
    };
    tokio::time::timeout(READ_WITHIN, reading).await.context("no answer")?
}

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
