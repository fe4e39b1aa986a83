//! One live execution of a workout, or an ad-hoc one: what may be logged when, and what follows from it.
//!
//! A set's place in time is the `at` of its log, never its arrival: a phone that was offline for hours gives
//! the same session as one that was not. Volume, estimates and progress are computed when asked for and never
//! stored; only the records that were announced are, because a correction has to withdraw them.

mod apply;
mod care;
mod decide;
mod derive;
mod glance;
mod log;
mod plan;
mod record;
mod view;

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    Address, EntityKind, EntityView, ErrorCode, Glance, Millis, Notice, Notify, Rebased, Recorded,
    SessionCommand, SessionEvent, SessionId, Timestamp, Version, View,
};
use uuid::Uuid;

use crate::{Ask, Brief, Letter, Needs, ReadRow, Rules};
use log::Log;

/// Exercises in one session; more are refused as `full`.
pub const EXERCISES_MAX: usize = 100;
/// Sets in one session; more are refused as `full`.
pub const SETS_MAX: usize = 500;
/// Remarks on one session and its sets; more are refused as `full`.
pub const NOTES_MAX: usize = 500;
/// Cues kept of one session; when as many wait for an answer, more are refused as `full`.
pub const CUES_MAX: usize = 64;
/// Pains told of one session; more are refused as `full`.
pub const PAINS_MAX: usize = 100;
/// How long a running session may be silent before it is given up, twelve hours.
pub const ABANDON_AFTER: Millis = Millis(12 * 60 * 60 * 1000);
/// The longest rest, six hours; a longer one is a mistake of the phone and refused as `bad_frame`.
pub const REST_MAX: Millis = Millis(6 * 60 * 60 * 1000);
/// How long after its start a session's sets and remarks may still be received, in days.
pub const OPEN_DAYS: i64 = 30;

/// A session; empty until it starts.
///
/// # Records
/// A set is **eligible** when it is performed, of a type that counts (all but warm-ups), of 1 to 10
/// repetitions, and its load is above zero and external, per hand or a stack. Of a bodyweight movement only
/// the added part is known, on an assisting machine more load is less work, and without a load there is
/// nothing to compare. The bests that a session starts from are meant over the same sets.
///
/// Eligible sets are folded in the order of their time, then of their id, beginning with the bests. A set
/// above the best so far holds the record; a tie does not; a first value is a baseline, for the heaviest, for
/// the estimate, and for each number of repetitions apart. Every set raises the bar for those after it.
/// After each command the announced records are exactly these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    log: Option<Box<Log>>,
}

impl Session {
    /// Panics when the state contradicts itself. For tests, after every step.
    ///
    /// # Panics
    /// When announced and derived records differ, an id occurs twice, a bound is passed, or times disagree.
    pub fn check_invariants(&self) {
        if let Some(log) = &self.log {
            log.check_invariants();
        }
    }
}

impl Rules for Session {
    type Command = SessionCommand;
    type Event = SessionEvent;

    const KIND: EntityKind = EntityKind::Session;
    const FORM: u16 = 2;
    const REBASED: fn(Rebased) -> SessionEvent = SessionEvent::SessionRebased;

    fn rebased(event: &SessionEvent) -> Option<&Rebased> {
        if let SessionEvent::SessionRebased(rebased) = event { Some(rebased) } else { None }
    }

    fn needs(&self, command: &SessionCommand) -> Needs {
        decide::needs(self.log.as_deref(), command)
    }

    fn decide(&self, ask: &Ask<'_, SessionCommand>, brief: &Brief) -> Result<Vec<SessionEvent>, ErrorCode> {
        decide::decide(self.log.as_deref(), ask, brief)
    }

    fn apply(&mut self, recorded: &Recorded<SessionEvent>) {
        match (&mut self.log, &recorded.event) {
            (log, SessionEvent::Started(started)) => {
                *log = Some(Box::new(Log::started(started, &recorded.stamp, recorded.version)));
            }
            (Some(log), _) => log.apply(recorded),
            (None, _) => {}
        }
    }

    fn rows(&self, id: Uuid, head: Version, events: &[Recorded<SessionEvent>]) -> Vec<ReadRow> {
        self.log.as_deref().map_or_else(Vec::new, |log| log.rows(SessionId(id), head, events))
    }

    fn reminder(&self) -> Option<Timestamp> {
        self.log.as_deref().and_then(Log::abandon_at)
    }

    fn letters(address: Address, recorded: &Recorded<SessionEvent>) -> Vec<Letter> {
        let tell = |notice| Letter { to: address.owner, command: Notify { notice }.into() };
        let is_abandoned = matches!(recorded.event, SessionEvent::Abandoned(_));
        is_abandoned.then(|| tell(Notice::abandoned(SessionId(address.id)))).into_iter().collect()
    }

    fn view(&self, view: View) -> Option<EntityView> {
        self.log.as_deref().map(|log| EntityView::Session(log.view(view)))
    }

    fn glance(&self, id: Uuid, head: Version) -> Option<Glance> {
        self.log.as_deref().map(|log| log.glance(SessionId(id), head))
    }
}

/// Whether something received now still belongs to a session that started then.
fn is_open(started_at: Timestamp, received_at: Timestamp) -> bool {
    const DAY: Millis = Millis(24 * 60 * 60 * 1000);
    received_at.micros_since(started_at) <= OPEN_DAYS * DAY.micros()
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
