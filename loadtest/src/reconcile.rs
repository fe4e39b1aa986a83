//! After the run: what the server has stored is read anew and compared with what it acknowledged, and people of one gym
//! ask for what is another's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use spotter_client::Socket;
use spotter_protocol::{Address, ClientFrame, ClientId, Persistence, Reply, ServerFrame, Subscribe, Version};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::athlete::now;
use crate::history::Pages;
use crate::ledger::{Ledger, Set, Word};
use crate::nodes::Nodes;
use crate::server::Person;
use crate::shown;
use crate::target::Target;

/// How long one session may take.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// How soon one is asked for again that is not available just now.
const AGAIN: Duration = Duration::from_millis(200);
/// How often sessions are read that are over.
const TEND_EVERY: Duration = Duration::from_secs(5);
/// Connections at once.
const AT_ONCE: usize = 16;
/// Sessions, and inboxes, of each gym that somebody of another gym asks for.
const ASKED_FOR: usize = 5;

/// Reads every session of the ledger anew, each over a connection of its own, and then every conversation.
///
/// # Errors
/// When conversations cannot be read over HTTP at all.
pub(crate) async fn reconcile(target: &Target, ledger: &Arc<Mutex<Ledger>>, run: u32) -> anyhow::Result<()> {
    let sessions = lock(ledger).sessions();
    read(sessions, target, ledger, run, false).await;
    let (conversations, pages) = (lock(ledger).conversations(), Pages::of(target.nodes.clone())?);
    let mut reading = JoinSet::new();
    for (owner, with) in conversations {
        if reading.len() == AT_ONCE {
            reading.join_next().await;
        }
        let (pages, token, ledger) = (pages.clone(), target.tokens.now(owner), Arc::clone(ledger));
        reading.spawn(async move {
            let words = pages.all(&token, with, run).await;
            lock(&ledger).conversation_stored(owner, with, words);
        });
    }
    while reading.join_next().await.is_some() {}
    Ok(())
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
        let (nodes, ledger) = (target.nodes.clone(), Arc::clone(ledger));
        let token = target.tokens.now(target.athlete(gym, athlete).user);
        reading.spawn(async move {
            let stored = stored(&nodes, &token, to, run).await;
            let mut ledger = lock(&ledger);
            match stored {
                Ok(Some(Stored { version, sets, words, own })) => {
                    ledger.stored(to, version, &sets, own);
                    ledger.words_stored(to, None, &words);
                }
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
    let first_of_each = target.gyms.iter().map(|gym| &gym.athletes[0]);
    let strangers: Vec<&Person> = first_of_each.chain(&target.stranger).collect();
    for gym in 0..target.gyms.len() as u16 {
        let other = (gym + 1) % strangers.len() as u16;
        let stranger = target.tokens.now(strangers[usize::from(other)].user);
        let sessions = sessions.iter().filter(|(_, of, _)| *of == gym).map(|(to, ..)| *to);
        let people = target.gyms[usize::from(gym)].athletes.iter();
        let inboxes = people.map(|athlete| Address::inbox(athlete.user));
        for to in sessions.take(ASKED_FOR).chain(inboxes.take(ASKED_FOR)) {
            if stored(&target.nodes, &stranger, to, run).await?.is_some() {
                lock(ledger).let_in(to, other);
            }
        }
    }
    Ok(())
}

/// What is stored of an entity.
struct Stored {
    version: Version,
    sets: Vec<Set>,
    words: Vec<Word>,
    /// Records that it announced by itself.
    own: u64,
}

/// An entity, read from nothing; `None` when it is not there for this person. The nodes are asked in turn, until one answers.
async fn stored(nodes: &Nodes, token: &str, to: Address, run: u32) -> anyhow::Result<Option<Stored>> {
    let mut read = Err(anyhow!("no node was asked"));
    for node in nodes.in_turn() {
        read = stored_at(&nodes.socket(node), token, to, run).await;
        if read.is_ok() {
            break;
        }
    }
    read
}

async fn stored_at(url: &str, token: &str, to: Address, run: u32) -> anyhow::Result<Option<Stored>> {
    let reading = async {
        let (mut socket, _) = Socket::open(url, token, ClientId(Uuid::now_v7()), None, now).await?;
        let subscribe = ClientFrame::Subscribe(Subscribe { req: 1, to, since: None, view: None });
        socket.send(&subscribe).await?;
        let (mut version, mut sets, mut words, mut own) = (Version(0), Vec::new(), Vec::new(), 0);
        loop {
            match socket.next().await? {
                ServerFrame::Snapshot(snapshot) if snapshot.to == to => {
                    version = snapshot.v;
                    sets = shown::sets(&snapshot.state, run);
                    words =
                        shown::told(&snapshot.state, run).into_iter().flat_map(|told| told.words).collect();
                    own = shown::records(&snapshot.state);
                }
                ServerFrame::Events(events) if events.to == to => {
                    version = events.events.last().map_or(version, |event| event.v);
                    sets.extend(events.events.iter().map(|event| shown::set(&event.ev, run)));
                    let said = events.events.iter().filter_map(|event| shown::said(&event.ev, run));
                    words.extend(said.filter_map(|(_, word)| word));
                    own += events.events.iter().filter(|event| shown::is_record(&event.ev)).count() as u64;
                }
                ServerFrame::Reply(Reply { error: Some(fault), .. })
                    if fault.kind == Persistence::Temporary =>
                {
                    tokio::time::sleep(AGAIN).await;
                    socket.send(&subscribe).await?;
                }
                ServerFrame::Reply(reply) if reply.req == Some(1) => {
                    socket.close().await;
                    let stored = Stored { version, sets, words, own };
                    return anyhow::Ok(reply.error.is_none().then_some(stored));
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
