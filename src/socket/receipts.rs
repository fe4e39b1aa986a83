//! What an acknowledgement proves: that a message or a cue has reached a device of its owner's.

use std::collections::VecDeque;

use spotter_protocol::{
    Command, DeliverCue, Delivered, EntityView, Event, InboxCommand, InboxEvent, PublishedEvent,
    SessionEvent, Version,
};

/// What may wait for one subscription's acknowledgement; the oldest goes first. An entity holds no more cues than
/// that, and a receipt for a message holds for those before it.
const UNACKNOWLEDGED_MAX: usize = 64;

/// What was forwarded to a device and is not acknowledged yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged(VecDeque<(Version, Command)>);

impl Unacknowledged {
    /// An event is forwarded.
    pub(super) fn forwarded(&mut self, event: &PublishedEvent<Event>) {
        self.wait(event.v, receipt_of(event));
    }

    /// A state is forwarded, which replaces all before it.
    pub(super) fn snapshot(&mut self, v: Version, state: &EntityView) {
        self.0.clear();
        for receipt in receipts_in(v, state) {
            self.wait(v, Some(receipt));
        }
    }

    /// A receipt did not come through: the next acknowledgement sends it again.
    pub(super) fn again(&mut self, v: Version, receipt: Command) {
        if self.0.len() < UNACKNOWLEDGED_MAX {
            let place = self.0.partition_point(|(waiting, _)| *waiting <= v);
            self.0.insert(place, (v, receipt));
        }
    }

    /// Takes the receipts due once the device has everything up to `through`.
    pub(super) fn acknowledged(&mut self, through: Version) -> Vec<(Version, Command)> {
        let due = self.0.iter().take_while(|(v, _)| *v <= through).count();
        let mut receipts: Vec<(Version, Command)> = Vec::new();
        for (v, receipt) in self.0.drain(..due) {
            // One receipt for messages holds for all before it.
            receipts.retain(|(_, earlier)| !(is_for_messages(earlier) && is_for_messages(&receipt)));
            receipts.push((v, receipt));
        }
        receipts
    }

    fn wait(&mut self, v: Version, receipt: Option<Command>) {
        let Some(receipt) = receipt else { return };
        if self.0.len() >= UNACKNOWLEDGED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((v, receipt));
    }
}

/// The server's own command that says that this event has reached its owner, for events that want one.
fn receipt_of(event: &PublishedEvent<Event>) -> Option<Command> {
    match &event.ev {
        Event::Inbox(InboxEvent::MessageReceived(_)) => Some(delivered(event.v)),
        Event::Session(SessionEvent::Cued(cued)) => Some(DeliverCue { cue: cued.cue }.into()),
        Event::Inbox(_) | Event::Session(_) | Event::Room(_) => None,
    }
}

/// The same for all that a state holds and its owner may not have had before.
fn receipts_in(v: Version, state: &EntityView) -> Vec<Command> {
    match state {
        EntityView::Inbox(inbox) if inbox.conversations.iter().any(|one| one.unread > 0) => {
            vec![delivered(v)]
        }
        EntityView::Session(session) => {
            let waiting = session.cues.iter().filter(|cue| cue.delivered_at.is_none());
            waiting.map(|cue| DeliverCue { cue: cue.cue }.into()).collect()
        }
        EntityView::Inbox(_) | EntityView::Room(_) => Vec::new(),
    }
}

fn delivered(through: Version) -> Command {
    InboxCommand::from(Delivered { through }).into()
}

const fn is_for_messages(receipt: &Command) -> bool {
    matches!(receipt, Command::Inbox(InboxCommand::Delivered(_)))
}

#[cfg(test)]
mod tests {
    use spotter_protocol::{
        CueId, Cued, MessageId, MessageReceived, MessageText, MessagesRead, NoteText, NotificationsRead,
        Timestamp, UserId,
    };
    use uuid::Uuid;

    use super::*;

    const COACH: UserId = UserId(Uuid::from_u128(1));

    fn event(v: u64, ev: impl Into<InboxEvent>) -> PublishedEvent<Event> {
        let at = Timestamp(0);
        PublishedEvent { v: Version(v), at, received_at: at, by: COACH, ev: Event::Inbox(ev.into()) }
    }

    fn message(v: u64) -> PublishedEvent<Event> {
        let id = MessageId(Uuid::from_u128(v.into()));
        let (text, at) = (MessageText::clipped("Good work"), Timestamp(0));
        event(v, MessageReceived { from: COACH, id, text, about: None, sent_at: at, sent_v: Version(v) })
    }

    #[test]
    fn what_is_acknowledged_gets_one_receipt_and_the_rest_waits() {
        let mut waiting = Unacknowledged::default();
        (1..=5).for_each(|v| waiting.forwarded(&message(v)));

        assert_eq!(waiting.acknowledged(Version(0)), []);
        assert_eq!(waiting.acknowledged(Version(3)), [(Version(3), delivered(Version(3)))]);
        assert_eq!(waiting.acknowledged(Version(3)), []);
        assert_eq!(waiting.acknowledged(Version(9)), [(Version(5), delivered(Version(5)))]);
    }

    #[test]
    fn every_cue_gets_a_receipt_of_its_own() {
        let cued = |v: u64| {
            let (cue, text) = (CueId(Uuid::from_u128(v.into())), NoteText::clipped("chest up"));
            let ev = SessionEvent::from(Cued { cue, text, group: None, set: None, expires_at: None });
            PublishedEvent {
                ev: Event::Session(ev),
                ..event(v, InboxEvent::from(NotificationsRead { through: Version(1) }))
            }
        };
        let receipt =
            |v: u64| (Version(v), Command::from(DeliverCue { cue: CueId(Uuid::from_u128(v.into())) }));
        let mut waiting = Unacknowledged::default();
        (1..=3).for_each(|v| waiting.forwarded(&cued(v)));

        assert_eq!(waiting.acknowledged(Version(2)), [receipt(1), receipt(2)]);
        assert_eq!(waiting.acknowledged(Version(3)), [receipt(3)]);
    }

    #[test]
    fn what_nobody_waits_for_gets_no_receipt() {
        let mut waiting = Unacknowledged::default();
        waiting.forwarded(&event(1, MessagesRead { with: COACH, through: Version(1), sent_v: Version(1) }));
        assert_eq!(waiting.acknowledged(Version(1)), []);
    }

    #[test]
    fn a_receipt_that_failed_comes_with_the_next_acknowledgement() {
        let mut waiting = Unacknowledged::default();
        waiting.forwarded(&message(1));
        let (v, receipt) = waiting.acknowledged(Version(1)).remove(0);

        waiting.again(v, receipt.clone());

        assert_eq!(waiting.acknowledged(Version(1)), [(v, receipt)]);
    }

    #[test]
    fn a_device_that_never_acknowledges_costs_no_more_than_the_bound() {
        let mut waiting = Unacknowledged::default();
        (1..=1000).for_each(|v| waiting.forwarded(&message(v)));
        assert_eq!(waiting.0.len(), UNACKNOWLEDGED_MAX);
        assert_eq!(waiting.acknowledged(Version(1000)), [(Version(1000), delivered(Version(1000)))]);
    }
}
