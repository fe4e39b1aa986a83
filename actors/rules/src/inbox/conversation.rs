//! One conversation of an inbox: the newest messages and how far both sides have read.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    Address, ConversationView, MessageId, MessageText, MessageView, ReceiptKind, Timestamp, UserId, Version,
};

use super::MESSAGES_MAX;

/// A conversation with one person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conversation {
    /// Oldest first.
    messages: VecDeque<Kept>,
    /// Messages received above `read`; some of them may no longer be kept.
    unread: u32,
    /// The owner has read up to here.
    pub(super) read: Version,
    delivered_there: Version,
    read_there: Version,
}

/// A message kept at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) v: Version,
    pub(super) id: MessageId,
    pub(super) mine: bool,
    pub(super) text: MessageText,
    pub(super) about: Option<Address>,
    pub(super) at: Timestamp,
    /// Its version in the sender's inbox.
    pub(super) sent_v: Version,
}

impl Conversation {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn newest(&self) -> Option<Version> {
        self.messages.back().map(|message| message.v)
    }

    pub(super) fn oldest(&self) -> Option<Version> {
        self.messages.front().map(|message| message.v)
    }

    pub(super) fn forget_oldest(&mut self) {
        self.messages.pop_front();
    }

    /// The newest message received up to `through`, among those kept.
    pub(super) fn newest_received(&self, through: Version) -> Option<&Kept> {
        self.messages.iter().rev().find(|message| !message.mine && message.v <= through)
    }

    pub(super) fn keep(&mut self, message: Kept) {
        self.unread += u32::from(!message.mine);
        if self.messages.len() == MESSAGES_MAX {
            self.messages.pop_front();
        }
        self.messages.push_back(message);
    }

    pub(super) fn mark_read(&mut self, through: Version) {
        self.read = self.read.max(through);
        let newer = self.messages.iter().filter(|message| !message.mine && message.v > self.read);
        self.unread = u32::try_from(newer.count()).unwrap_or(u32::MAX);
    }

    /// What was read there has also reached a device there. Receipts of one pair come in order; the marks
    /// never go back in any case.
    pub(super) fn receipt(&mut self, kind: ReceiptKind, through: Version) {
        self.delivered_there = self.delivered_there.max(through);
        if kind == ReceiptKind::Read {
            self.read_there = self.read_there.max(through);
        }
    }

    pub(super) fn view(&self, with: UserId) -> ConversationView {
        let message = |kept: &Kept| MessageView {
            v: kept.v,
            id: kept.id,
            mine: kept.mine,
            text: kept.text.clone(),
            about: kept.about,
            at: kept.at,
        };
        ConversationView {
            with,
            messages: self.messages.iter().map(message).collect(),
            unread: self.unread,
            read: self.read,
            delivered_there: self.delivered_there,
            read_there: self.read_there,
        }
    }
}
