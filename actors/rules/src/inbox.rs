//! A user's messages and notifications.
//!
//! What one inbox has to tell another leaves as letters: see [`Rules::letters`]. A letter that arrives is a
//! command of the server's own; it cannot be refused for what the two people may do, because that was judged
//! when the sender's command was accepted.

mod conversation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    Acknowledged, Address, ConversationView, EntityKind, EntityView, ErrorCode, Glance, InboxCommand,
    InboxEvent, InboxView, Message, MessageReceived, MessageSent, MessagesDelivered, MessagesRead, Notice,
    NotificationView, NotificationsRead, Notified, Rebased, ReceiptKind, ReceiptReceived, Receive, Recorded,
    Timestamp, UserId, Version, View,
};

use crate::{Ask, Brief, Letter, MessageRow, Needs, ReadRow, Rules};
use conversation::{Conversation, Kept};

/// Conversations an inbox keeps at hand; the one silent for longest is let go first, and stays in the history.
pub const CONVERSATIONS_MAX: usize = 500;
/// Messages of one conversation kept at hand; older ones stay in the history.
pub const MESSAGES_MAX: usize = 50;
/// Messages of all conversations kept at hand. The newest of each conversation is.
pub const MESSAGES_IN_ALL_MAX: usize = 600;
/// Notifications kept at hand; the oldest is let go first.
pub const NOTIFICATIONS_MAX: usize = 100;

/// An inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    conversations: BTreeMap<UserId, Conversation>,
    /// Oldest first.
    notifications: VecDeque<Notification>,
    notifications_read: Version,
    /// What came in up to here has reached a device.
    delivered: Version,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Notification {
    v: Version,
    at: Timestamp,
    notice: Notice,
}

impl Rules for Inbox {
    type Command = InboxCommand;
    type Event = InboxEvent;

    const KIND: EntityKind = EntityKind::Inbox;
    const FORM: u16 = 1;
    const REBASED: fn(Rebased) -> InboxEvent = InboxEvent::InboxRebased;

    fn rebased(event: &InboxEvent) -> Option<&Rebased> {
        if let InboxEvent::InboxRebased(rebased) = event { Some(rebased) } else { None }
    }

    fn needs(&self, _: &InboxCommand) -> Needs {
        Needs::default()
    }

    fn decide(&self, ask: &Ask<'_, InboxCommand>, _: &Brief) -> Result<Vec<InboxEvent>, ErrorCode> {
        let event = match ask.command {
            InboxCommand::Message(message) => send(ask.owner, message)?,
            InboxCommand::Read(read) => {
                let conversation = self.conversations.get(&read.with).ok_or(ErrorCode::NoChange)?;
                let newest = conversation.newest_received(read.through).ok_or(ErrorCode::NoChange)?;
                if newest.v <= conversation.read {
                    return Err(ErrorCode::NoChange);
                }
                MessagesRead { with: read.with, through: newest.v, sent_v: newest.sent_v }.into()
            }
            InboxCommand::ReadNotifications(read) => {
                let seen = self.notifications.iter().rev().find(|one| one.v <= read.through);
                let through = seen.map(|one| one.v).filter(|through| *through > self.notifications_read);
                NotificationsRead { through: through.ok_or(ErrorCode::NoChange)? }.into()
            }
            InboxCommand::Delivered(delivered) => {
                let receipts = self.undelivered(delivered.through);
                if receipts.is_empty() {
                    return Err(ErrorCode::NoChange);
                }
                MessagesDelivered { through: delivered.through, receipts }.into()
            }
            InboxCommand::Receive(letter) => received(letter),
            InboxCommand::Receipt(receipt) => {
                let (with, kind, through) = (receipt.with, receipt.kind, receipt.through);
                ReceiptReceived { with, kind, through }.into()
            }
            InboxCommand::Notify(notify) => Notified { notice: notify.notice }.into(),
        };
        Ok(vec![event])
    }

    fn apply(&mut self, recorded: &Recorded<InboxEvent>) {
        let (v, at) = (recorded.version, recorded.stamp.at);
        match &recorded.event {
            InboxEvent::MessageSent(sent) => {
                let message = Kept {
                    v,
                    id: sent.id,
                    mine: true,
                    text: sent.text.clone(),
                    about: sent.about,
                    at,
                    sent_v: v,
                };
                self.keep(sent.to, message);
            }
            InboxEvent::MessageReceived(received) => {
                let message = Kept {
                    v,
                    id: received.id,
                    mine: false,
                    text: received.text.clone(),
                    about: received.about,
                    at: received.sent_at,
                    sent_v: received.sent_v,
                };
                self.keep(received.from, message);
            }
            InboxEvent::MessagesDelivered(delivered) => {
                self.delivered = self.delivered.max(delivered.through);
            }
            InboxEvent::MessagesRead(read) => {
                if let Some(conversation) = self.conversations.get_mut(&read.with) {
                    conversation.mark_read(read.through);
                }
            }
            InboxEvent::ReceiptReceived(receipt) => {
                if let Some(conversation) = self.conversations.get_mut(&receipt.with) {
                    conversation.receipt(receipt.kind, receipt.through);
                }
            }
            InboxEvent::Notified(notified) => {
                if self.notifications.len() == NOTIFICATIONS_MAX {
                    self.notifications.pop_front();
                }
                self.notifications.push_back(Notification { v, at, notice: notified.notice });
            }
            InboxEvent::NotificationsRead(read) => {
                self.notifications_read = self.notifications_read.max(read.through);
            }
            InboxEvent::InboxRebased(_) => {}
        }
    }

    fn rows(&self, _: uuid::Uuid, _: Version, events: &[Recorded<InboxEvent>]) -> Vec<ReadRow> {
        events.iter().filter_map(message_row).map(ReadRow::Message).collect()
    }

    fn letters(address: Address, recorded: &Recorded<InboxEvent>) -> Vec<Letter> {
        letters(address.owner, recorded)
    }

    fn view(&self, view: View) -> Option<EntityView> {
        (view == View::Athlete).then(|| EntityView::Inbox(self.seen()))
    }

    fn glance(&self, _: uuid::Uuid, _: Version) -> Option<Glance> {
        None
    }
}

fn send(owner: UserId, message: &Message) -> Result<InboxEvent, ErrorCode> {
    if message.to == owner {
        return Err(ErrorCode::ToOneself);
    }
    if message.text.as_str().trim().is_empty() {
        return Err(ErrorCode::Empty);
    }
    let (to, id, text, about) = (message.to, message.id, message.text.clone(), message.about);
    Ok(MessageSent { to, id, text, about }.into())
}

fn received(letter: &Receive) -> InboxEvent {
    let Receive { from, id, text, about, sent_at, sent_v } = letter.clone();
    MessageReceived { from, id, text, about, sent_at, sent_v }.into()
}

/// What an event has to tell other inboxes.
fn letters(owner: UserId, recorded: &Recorded<InboxEvent>) -> Vec<Letter> {
    let receipt = |to, kind, through| Letter {
        to,
        command: spotter_protocol::Receipt { with: owner, kind, through }.into(),
    };
    match &recorded.event {
        InboxEvent::MessageSent(sent) => {
            let MessageSent { to, id, text, about } = sent.clone();
            let (sent_at, sent_v) = (recorded.stamp.at, recorded.version);
            let command = Receive { from: owner, id, text, about, sent_at, sent_v }.into();
            vec![Letter { to, command }]
        }
        InboxEvent::MessagesDelivered(delivered) => {
            let receipts = delivered.receipts.iter();
            receipts.map(|one| receipt(one.from, ReceiptKind::Delivered, one.sent_v)).collect()
        }
        InboxEvent::MessagesRead(read) => vec![receipt(read.with, ReceiptKind::Read, read.sent_v)],
        InboxEvent::MessageReceived(_)
        | InboxEvent::ReceiptReceived(_)
        | InboxEvent::Notified(_)
        | InboxEvent::NotificationsRead(_)
        | InboxEvent::InboxRebased(_) => Vec::new(),
    }
}

fn message_row(recorded: &Recorded<InboxEvent>) -> Option<MessageRow> {
    let row = |with, id, mine, text: &_, about, at| MessageRow {
        with,
        version: recorded.version,
        id,
        mine,
        text: Clone::clone(text),
        about,
        at,
    };
    match &recorded.event {
        InboxEvent::MessageSent(sent) => {
            Some(row(sent.to, sent.id, true, &sent.text, sent.about, recorded.stamp.at))
        }
        InboxEvent::MessageReceived(one) => {
            Some(row(one.from, one.id, false, &one.text, one.about, one.sent_at))
        }
        InboxEvent::MessagesDelivered(_)
        | InboxEvent::MessagesRead(_)
        | InboxEvent::ReceiptReceived(_)
        | InboxEvent::Notified(_)
        | InboxEvent::NotificationsRead(_)
        | InboxEvent::InboxRebased(_) => None,
    }
}

impl Inbox {
    /// The version up to which what came in has reached a device; above it lies what an acknowledgement of a
    /// device can still say something about.
    pub const fn delivered(&self) -> Version {
        self.delivered
    }

    /// The receipts owed to senders once everything up to `through` is delivered.
    fn undelivered(&self, through: Version) -> Vec<Acknowledged> {
        let newest = self.conversations.iter().filter_map(|(from, conversation)| {
            let newest = conversation.newest_received(through)?;
            (newest.v > self.delivered).then_some(Acknowledged { from: *from, sent_v: newest.sent_v })
        });
        newest.collect()
    }

    fn keep(&mut self, with: UserId, message: Kept) {
        self.conversations.entry(with).or_default().keep(message);
        if self.conversations.len() > CONVERSATIONS_MAX {
            let silent = self.conversations.iter().min_by_key(|(_, one)| one.newest());
            if let Some(silent) = silent.map(|(with, _)| *with) {
                self.conversations.remove(&silent);
            }
        }
        let kept: usize = self.conversations.values().map(Conversation::len).sum();
        if kept > MESSAGES_IN_ALL_MAX {
            let spare = self.conversations.values_mut().filter(|one| one.len() > 1);
            if let Some(oldest) = spare.min_by_key(|one| one.oldest()) {
                oldest.forget_oldest();
            }
        }
    }

    fn seen(&self) -> InboxView {
        let mut conversations: Vec<ConversationView> =
            self.conversations.iter().map(|(with, one)| one.view(*with)).collect();
        conversations.sort_by_key(|one| std::cmp::Reverse(one.messages.last().map(|message| message.v)));
        let notifications = self.notifications.iter().rev();
        let notification = |one: &Notification| NotificationView { v: one.v, notice: one.notice, at: one.at };
        InboxView {
            conversations,
            notifications: notifications.map(notification).collect(),
            notifications_read: self.notifications_read,
        }
    }
}
