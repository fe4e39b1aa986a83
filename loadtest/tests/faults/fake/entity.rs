//! A session or an inbox of the server: its events, who follows it, and which event a promise is broken with.

use std::collections::HashMap;

use spotter_protocol::{
    Address, Attention, Command, CommandId, Cued, Event, EventsFrame, Glance, InboxCommand, InboxEvent,
    MessageSent, MessageView, Phase, PublishedEvent, ServerFrame, SessionCommand, SessionEvent, SessionId,
    SetCompleted, Shown, Tile, Timestamp, Title, UserId, Version,
};

use super::{Broken, Frames, What};

/// The version from which on a promise about a set is broken: a start, a plan, and then what is logged.
const AT: u64 = 6;

/// A session, or an inbox.
#[derive(Default)]
pub(super) struct Entity {
    pub(super) gym: u128,
    pub(super) events: Vec<PublishedEvent>,
    pub(super) done: HashMap<CommandId, Version>,
    pub(super) followers: Vec<Frames>,
    /// Events that are held back.
    held: Option<PublishedEvent>,
}

impl Entity {
    pub(super) fn of(gym: u128) -> Self {
        Self { gym, ..Self::default() }
    }

    /// Whether the promise is broken with this event.
    pub(super) fn is_it(&self, what: What, event: &PublishedEvent) -> bool {
        let before = self.events.iter().take_while(|one| one.v < event.v);
        match what {
            What::Set => is_set(event) && event.v.0 >= AT && !before.skip(AT as usize - 1).any(is_set),
            What::Cue => is_cue(event) && before.filter(|one| is_cue(one)).count() == 1,
            What::Message => is_message(event) && before.filter(|one| is_message(one)).count() == 1,
        }
    }

    pub(super) fn publish(&mut self, to: &Address, event: PublishedEvent, broken: Option<Broken>) {
        let events = match broken {
            Some(Broken::Undelivered) => Vec::new(),
            Some(Broken::Doubled) => vec![event.clone(), event],
            Some(Broken::Reordered) => {
                self.held = Some(event);
                Vec::new()
            }
            Some(
                Broken::Unstored
                | Broken::StoredTwice
                | Broken::Leaked
                | Broken::OpenDoor
                | Broken::NoRenewal,
            )
            | None => [event].into_iter().chain(self.held.take()).collect(),
        };
        for event in events {
            let frame = ServerFrame::Events(EventsFrame { to: *to, events: vec![event] });
            self.followers.retain(|follower| follower.send(frame.clone()).is_ok());
        }
    }

    pub(super) fn tile(&self, to: &Address) -> Tile {
        let glance = Glance {
            session: SessionId(to.id),
            v: Version(self.events.len() as u64),
            title: Title::clipped("Load"),
            phase: Phase::Live,
            started_at: Timestamp(0),
            active_at: Timestamp(0),
            done: self.events.iter().filter(|event| is_set(event)).count() as u16,
            total: 0,
            last: None,
            rest: None,
            pain: None,
            cue: None,
            badges: Vec::new(),
        };
        Tile {
            athlete: to.owner,
            presence: None,
            pinned: false,
            stale: false,
            attention: Attention::Working,
            since: Timestamp(0),
            glance: Some(glance),
        }
    }
}

fn is_set(event: &PublishedEvent) -> bool {
    matches!(event.ev, Shown::Event(Event::Session(SessionEvent::SetCompleted(_))))
}

fn is_cue(event: &PublishedEvent) -> bool {
    matches!(event.ev, Shown::Event(Event::Session(SessionEvent::Cued(_))))
}

fn is_message(event: &PublishedEvent) -> bool {
    matches!(event.ev, Shown::Event(Event::Inbox(InboxEvent::MessageReceived(_))))
}

/// An event of a conversation as its history shows it.
pub(super) fn message(event: &PublishedEvent, with: UserId) -> Option<MessageView> {
    let (other, id, text, mine) = match &event.ev {
        Shown::Event(Event::Inbox(InboxEvent::MessageSent(sent))) => (sent.to, sent.id, &sent.text, true),
        Shown::Event(Event::Inbox(InboxEvent::MessageReceived(received))) => {
            (received.from, received.id, &received.text, false)
        }
        Shown::Event(_) | Shown::Hidden | Shown::Unknown(_) => return None,
    };
    let view = MessageView { v: event.v, id, mine, text: text.clone(), about: None, at: event.at };
    (other == with).then_some(view)
}

/// The event of a command: a set that was done, a word that was said, or one that nobody is shown.
pub(super) fn event(command: &Command) -> Shown {
    match command {
        Command::Session(SessionCommand::Complete(complete)) => {
            let completed = SetCompleted { set: complete.set, actual: complete.actual.clone() };
            Shown::Event(SessionEvent::from(completed).into())
        }
        Command::Session(SessionCommand::Cue(cue)) => {
            let (cue, text) = (cue.cue, cue.text.clone());
            let cued = Cued { cue, text, group: None, set: None, expires_at: None };
            Shown::Event(SessionEvent::from(cued).into())
        }
        Command::Inbox(InboxCommand::Message(message)) => {
            let (to, id, text) = (message.to, message.id, message.text.clone());
            Shown::Event(InboxEvent::from(MessageSent { to, id, text, about: None }).into())
        }
        Command::Session(_) | Command::Inbox(_) | Command::Room(_) => Shown::Hidden,
    }
}
