//! After the run: what the server has stored is read anew and compared with what it acknowledged, and people of one gym
//! ask for what is another's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use spotter_client::Socket;
use spotter_protocol::{
    Address, ClientFrame, ClientId, EntityView, Event, ServerFrame, SessionEvent, Shown, Subscribe, Version,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::athlete::now;
use crate::ledger::{Ledger, Set};
use crate::reader;
use crate::target::Target;

/// How long one session may take.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// How often sessions are read that are over.
const TEND_EVERY: Duration = Duration::from_secs(5);
/// Connections at once.
const AT_ONCE: usize = 16;
/// Sessions of each gym that somebody of another gym asks for.
const ASKED_FOR: usize = 5;

/// Reads every session of the ledger anew, each over a connection of its own.
pub(crate) async fn reconcile(target: &Target, ledger: &Arc<Mutex<Ledger>>, run: u32) {
    let sessions = lock(ledger).sessions();
    read(sessions, target, ledger, run, false).await;
}

/// Does something; with `tends`, reads sessions that are over meanwhile, and lets the ledger forget them.
pub(crate) async fn tended<T>(
    tends: bool,
    target: &Target,
    ledger: &Arc<Mutex<Ledger>>,
    run: u32,
    doing: impl Future<Output = T>,
) -> T {
    let tending = async {
        loop {
            tokio::time::sleep(TEND_EVERY).await;
            let over = lock(ledger).over(Instant::now());
            read(over, target, ledger, run, true).await;
        }
    };
    tokio::select! {
        done = doing => done,
        never = tending, if tends => never,
    }
}

async fn read(
    sessions: Vec<(Address, u16, u32)>,
    target: &Target,
    ledger: &Arc<Mutex<Ledger>>,
    run: u32,
    forgets: bool,
) {
    let mut reading = JoinSet::new();
    for (to, gym, athlete) in sessions {
        if reading.len() == AT_ONCE {
            reading.join_next().await;
        }
        let (url, ledger) = (target.socket.clone(), Arc::clone(ledger));
        let token = target.athlete(gym, athlete).token.clone();
        reading.spawn(async move {
            let stored = stored(&url, &token, to, run).await;
            let mut ledger = lock(&ledger);
            match stored {
                Ok(Some(Stored { version, sets, own })) => ledger.stored(to, version, &sets, own),
                Ok(None) => ledger.not_stored(to, "not found"),
                Err(error) => ledger.not_stored(to, &format!("{error:#}")),
            }
            if forgets {
                ledger.forget(to);
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
    for gym in 0..target.gyms.len() as u16 {
        let other = (gym + 1) % target.gyms.len() as u16;
        let stranger = &target.gyms[usize::from(other)].athletes[0];
        for (to, ..) in sessions.iter().filter(|(_, of, _)| *of == gym).take(ASKED_FOR) {
            if stored(&target.socket, &stranger.token, *to, run).await?.is_some() {
                lock(ledger).let_in(*to, other);
            }
        }
    }
    Ok(())
}

/// A session as it is stored.
struct Stored {
    version: Version,
    sets: Vec<Set>,
    /// Records that it announced by itself.
    own: u64,
}

/// A session, read from nothing; `None` when it is not there for this person.
async fn stored(url: &str, token: &str, to: Address, run: u32) -> anyhow::Result<Option<Stored>> {
    let reading = async {
        let (mut socket, _) = Socket::open(url, token, ClientId(Uuid::now_v7()), None, now).await?;
        socket.send(&ClientFrame::Subscribe(Subscribe { req: 1, to, since: None, view: None })).await?;
        let (mut version, mut sets, mut own) = (Version(0), Vec::new(), 0);
        loop {
            match socket.next().await? {
                ServerFrame::Snapshot(snapshot) if snapshot.to == to => {
                    version = snapshot.v;
                    sets = reader::sets(&snapshot.state, run);
                    own = records(&snapshot.state);
                }
                ServerFrame::Events(events) if events.to == to => {
                    version = events.events.last().map_or(version, |event| event.v);
                    sets.extend(events.events.iter().map(|event| reader::set(&event.ev, run)));
                    own += events.events.iter().filter(|event| is_record(&event.ev)).count() as u64;
                }
                ServerFrame::Reply(reply) if reply.req == Some(1) => {
                    socket.close().await;
                    return anyhow::Ok(reply.error.is_none().then_some(Stored { version, sets, own }));
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

/// Records that a session holds. One that is logged in order withdraws none.
fn records(state: &EntityView) -> u64 {
    let EntityView::Session(session) = state else { return 0 };
    let sets = session.exercises.iter().flat_map(|exercise| &exercise.sets);
    sets.map(|set| set.prs.len() as u64).sum()
}

const fn is_record(event: &Shown) -> bool {
    matches!(event, Shown::Event(Event::Session(SessionEvent::Pr(_) | SessionEvent::PrWithdrawn(_))))
}

fn lock(ledger: &Mutex<Ledger>) -> std::sync::MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
