//! Subscribers, who hear each version of an entity once or a state that takes its place: they listen first, then read,
//! then let through what is above it, as the engine's contract asks ([`Engine::catch_up`]).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use spotter_actors::{CatchUp, EventNews, Listener, Publication};
use spotter_protocol::{Address, ErrorCode, Fault, Version, View};
use uuid::Uuid;

use crate::ledger::Ledger;
use crate::process::Process;
use crate::world::GYM;

pub(crate) struct Subscriber {
    pub(crate) address: Address,
    /// The version it has, and in which incarnation of the journal.
    have: Option<(Uuid, Version)>,
    connection: Option<Connection>,
}

/// What a subscriber hears of one process.
struct Connection {
    process: usize,
    ear: Arc<Ear>,
    stage: Stage,
}

enum Stage {
    /// It has asked what it missed after this version; what it hears waits.
    CatchingUp { since: Option<Version>, held: Vec<Arc<Publication>> },
    /// It has everything that was published.
    Live,
    /// What it asked for cannot be answered now, or is not there yet.
    Refused,
}

struct Ear {
    address: Address,
    heard: Mutex<VecDeque<Heard>>,
}

enum Heard {
    News(Arc<Publication>),
    Missed(Box<Result<CatchUp, Fault>>),
}

impl Listener for Ear {
    fn hear(&self, publication: &Arc<Publication>) {
        if let Publication::Events(news) = &**publication
            && news.address == self.address
        {
            self.heard.lock().unwrap().push_back(Heard::News(Arc::clone(publication)));
        }
    }
}

impl Subscriber {
    pub(crate) fn of(address: Address) -> Self {
        Self { address, have: None, connection: None }
    }

    /// The version it has.
    pub(crate) fn version(&self) -> Version {
        self.have.map_or(Version(0), |(_, version)| version)
    }

    /// Whether it is connected to this process and follows.
    pub(crate) fn follows(&self, process: usize) -> bool {
        self.connection.as_ref().is_some_and(|connection| {
            connection.process == process
                && matches!(connection.stage, Stage::Live | Stage::CatchingUp { .. })
        })
    }

    /// Its connection breaks.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Connects, or asks again over the same connection: versions of another incarnation are worth nothing.
    pub(crate) fn connect(&mut self, process: &Process, incarnation: Uuid) {
        self.have = self.have.filter(|(known, _)| *known == incarnation);
        let here = self.connection.take().filter(|connection| connection.process == process.number);
        let ear = here.map_or_else(
            || {
                let ear = Arc::new(Ear { address: self.address, heard: Mutex::default() });
                process.listen(self.address, Arc::clone(&ear) as Arc<dyn Listener>);
                ear
            },
            |connection| connection.ear,
        );
        let since = self.have.map(|(_, version)| version);
        let stage = ask(process, &ear, since);
        self.connection = Some(Connection { process: process.number, ear, stage });
    }

    /// Takes in what it has heard since, from the process that it is connected to.
    pub(crate) fn listen(&mut self, processes: &[Process], ledger: &Ledger, incarnation: Uuid) {
        let Some(connection) = &mut self.connection else { return };
        let Some(process) = processes.iter().find(|process| process.number == connection.process) else {
            return;
        };
        let heard = std::mem::take(&mut *connection.ear.heard.lock().unwrap());
        for heard in heard {
            let gap = match (heard, &mut connection.stage) {
                (Heard::News(news), Stage::CatchingUp { held, .. }) => {
                    held.push(news);
                    false
                }
                (Heard::News(news), Stage::Live) => !pass(&news, &mut self.have, incarnation),
                (Heard::Missed(missed), stage) => match (*missed, stage) {
                    (Ok(missed), Stage::CatchingUp { since, held }) => {
                        ledger.caught_up(process.timeline, self.address, *since, &missed);
                        self.have = Some((incarnation, missed.version()));
                        let held = std::mem::take(held);
                        connection.stage = Stage::Live;
                        held.iter().any(|news| !pass(news, &mut self.have, incarnation))
                    }
                    (Ok(_), _) => false,
                    (Err(fault), _) => {
                        if !matches!(fault.code, ErrorCode::NotFound | ErrorCode::Unavailable) {
                            ledger.is_wrong(format!("{}: who subscribes is told {fault:?}", self.address));
                        }
                        connection.stage = Stage::Refused;
                        false
                    }
                },
                (Heard::News(_), Stage::Refused) => false,
            };
            if gap {
                ledger.count("gaps");
                let since = self.have.map(|(_, version)| version);
                connection.stage = ask(process, &connection.ear, since);
            }
        }
    }
}

/// Asks what was missed after `since`; the answer comes among what is heard.
fn ask(process: &Process, ear: &Arc<Ear>, since: Option<Version>) -> Stage {
    let (engine, ear) = (Arc::clone(&process.engine), Arc::clone(ear));
    process.runtime.spawn(async move {
        let missed = engine.catch_up(GYM, ear.address, since, View::Athlete).await;
        ear.heard.lock().unwrap().push_back(Heard::Missed(Box::new(missed)));
    });
    Stage::CatchingUp { since, held: Vec::new() }
}

/// Takes news that follow what it has, drops what is not above it, and answers false at a gap.
fn pass(news: &Publication, have: &mut Option<(Uuid, Version)>, incarnation: Uuid) -> bool {
    let Publication::Events(EventNews { first, last, events, .. }) = news else { return true };
    let version = have.map_or(Version(0), |(_, version)| version);
    if *last <= version {
        return true;
    }
    let follows = *first == version.next() && !events.is_empty();
    if follows {
        *have = Some((incarnation, *last));
    }
    follows
}
