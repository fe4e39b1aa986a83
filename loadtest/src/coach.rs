//! What a coach does besides watching: says cues to those who train, writes to athletes, reads what was written.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use spotter_protocol::{Address, UserId};
use tokio::task::JoinSet;

use crate::history::Pages;
use crate::ledger::Ledger;
use crate::schedule::CoachTask;
use crate::talk::Talk;
use crate::tally::Tally;
use crate::tokens::Token;

/// Requests over HTTP of one coach at once.
const READS_MAX: usize = 32;

/// A coach.
pub(crate) struct Coach {
    pub(crate) user: UserId,
    pub(crate) run: u32,
    pub(crate) talk: Talk,
    pub(crate) pages: Pages,
    pub(crate) token: Token,
    /// Of the gym, in order.
    pub(crate) athletes: Arc<[UserId]>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    pub(crate) tally: Arc<Tally>,
    /// The newest session of each athlete whose sessions are followed.
    pub(crate) sessions: BTreeMap<UserId, Address>,
    pub(crate) reading: JoinSet<()>,
}

impl Coach {
    /// A session is followed from now on.
    pub(crate) fn sees(&mut self, session: Address) {
        self.sessions.insert(session.owner, session);
    }

    pub(crate) fn act(&mut self, task: CoachTask, planned: Instant) {
        match task {
            CoachTask::Cue(athlete) => match self.sessions.get(&self.athletes[athlete]) {
                Some(session) => self.talk.cue(*session, planned),
                None => self.tally.failed("cue", "no_session"),
            },
            CoachTask::Message(athlete) => self.talk.message(self.athletes[athlete], Some(planned)),
            CoachTask::History(athlete) => self.read(Some(self.athletes[athlete]), planned),
            CoachTask::People => self.read(None, planned),
        }
    }

    /// Reads what was written with somebody, or else who is in the gym.
    fn read(&mut self, with: Option<UserId>, planned: Instant) {
        let kind = if with.is_some() { "history" } else { "people" };
        if self.reading.len() >= READS_MAX {
            return self.tally.failed(kind, "too_many");
        }
        let (pages, token, run, user) =
            (self.pages.clone(), self.token.borrow().clone(), self.run, self.user);
        let (ledger, tally) = (Arc::clone(&self.ledger), Arc::clone(&self.tally));
        self.reading.spawn(async move {
            let read = match with {
                Some(with) => pages.newest(&token, with, run).await,
                None => pages.people(&token).await.map(|()| Vec::new()),
            };
            match read {
                Ok(words) => {
                    tally.done(kind, planned);
                    ledger.lock().unwrap_or_else(PoisonError::into_inner).page(Address::inbox(user), &words);
                }
                Err(error) => tally.failed(kind, &error.to_string()),
            }
        });
    }

    /// Whether nothing waits for an answer.
    pub(crate) fn is_idle(&self) -> bool {
        self.talk.is_idle() && self.reading.is_empty()
    }
}

/// Waits until a coach has read something; for ever where nobody reads.
pub(crate) async fn read(coach: Option<&mut Coach>) {
    match coach {
        Some(coach) if !coach.reading.is_empty() => _ = coach.reading.join_next().await,
        Some(_) | None => std::future::pending().await,
    }
}
