//! What events and states show: sets, cues and messages by the marks in their ids, and records.

use std::collections::BTreeMap;

use spotter_protocol::{
    ConversationView, EntityView, Event, InboxEvent, SessionEvent, SetId, SetStatus, Shown, UserId,
};

use crate::ledger::{Set, Stamp, Told, Word};

/// Messages of a conversation that a state shows.
const SHOWN_MAX: usize = 50;

/// The set that an event logs.
pub(crate) fn set(event: &Shown, run: u32) -> Set {
    match event {
        Shown::Event(Event::Session(SessionEvent::SetCompleted(completed))) => stamped(completed.set, run),
        Shown::Event(_) | Shown::Hidden | Shown::Unknown(_) => Set::None,
    }
}

/// The cue or the message that an event is, if it is one, and how its arrival is counted.
pub(crate) fn said(event: &Shown, run: u32) -> Option<(&'static str, Option<Word>)> {
    match event {
        Shown::Event(Event::Session(SessionEvent::Cued(cued))) => {
            Some(("cue_delivery", Word::read(cued.cue.0, run)))
        }
        Shown::Event(Event::Inbox(InboxEvent::MessageReceived(message))) => {
            Some(("message_delivery", Word::read(message.id.0, run)))
        }
        Shown::Event(Event::Inbox(InboxEvent::MessageSent(message))) => {
            Some(("message_copy", Word::read(message.id.0, run)))
        }
        Shown::Event(_) | Shown::Hidden | Shown::Unknown(_) => None,
    }
}

/// What a state holds of cues and messages.
pub(crate) fn told(state: &EntityView, run: u32) -> Vec<Told> {
    match state {
        EntityView::Session(session) => {
            let mut by_coach: BTreeMap<UserId, Vec<Word>> = BTreeMap::new();
            for cue in &session.cues {
                by_coach.entry(cue.by).or_default().extend(Word::read(cue.cue.0, run));
            }
            by_coach.into_iter().map(|(with, words)| Told { with, words, whole: true }).collect()
        }
        EntityView::Inbox(inbox) => {
            let part = |conversation: &ConversationView| {
                let words = conversation.messages.iter().filter_map(|message| Word::read(message.id.0, run));
                let whole = conversation.messages.len() < SHOWN_MAX;
                Told { with: conversation.with, words: words.collect(), whole }
            };
            inbox.conversations.iter().map(part).collect()
        }
        EntityView::Room(_) => Vec::new(),
    }
}

/// The sets that a session holds as done.
pub(crate) fn sets(state: &EntityView, run: u32) -> Vec<Set> {
    let EntityView::Session(session) = state else { return Vec::new() };
    let sets = session.exercises.iter().flat_map(|exercise| &exercise.sets);
    sets.filter(|set| set.status == SetStatus::Performed).map(|set| stamped(set.set, run)).collect()
}

fn stamped(set: SetId, run: u32) -> Set {
    Stamp::read(set, run).map_or(Set::Unmarked, Set::Of)
}

/// Records that a session holds. One that is logged in order withdraws none.
pub(crate) fn records(state: &EntityView) -> u64 {
    let EntityView::Session(session) = state else { return 0 };
    let sets = session.exercises.iter().flat_map(|exercise| &exercise.sets);
    sets.map(|set| set.prs.len() as u64).sum()
}

pub(crate) const fn is_record(event: &Shown) -> bool {
    matches!(event, Shown::Event(Event::Session(SessionEvent::Pr(_) | SessionEvent::PrWithdrawn(_))))
}
