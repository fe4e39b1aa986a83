//! What happens to an inbox.

use serde::{Deserialize, Serialize};

use super::Rebased;
use crate::vocabulary::vocabulary;
use crate::{Address, MessageId, MessageText, SessionId, Timestamp, UserId, Version};

vocabulary! {
    /// What happens to an inbox.
    pub enum InboxEvent, InboxEventKind {
        /// The owner sent a message.
        MessageSent = "message_sent",
        /// A message came in.
        MessageReceived = "message_received",
        /// What came in has reached a device of the owner's.
        MessagesDelivered = "messages_delivered",
        /// The owner read a conversation.
        MessagesRead = "messages_read",
        /// The other side received or read what the owner sent.
        ReceiptReceived = "receipt_received",
        /// Something the owner should know of.
        Notified = "notified",
        /// The owner read notifications.
        NotificationsRead = "notifications_read",
        /// A later stream of the inbox begins.
        InboxRebased = "inbox_rebased",
    }
}

/// A later stream of the inbox begins.
type InboxRebased = Rebased;

/// The owner sent a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSent {
    /// To whom.
    pub to: UserId,
    /// The message's id.
    pub id: MessageId,
    /// What it says.
    pub text: MessageText,
    /// The session it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Address>,
}

/// A message came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReceived {
    /// From whom.
    pub from: UserId,
    /// The message's id.
    pub id: MessageId,
    /// What it says.
    pub text: MessageText,
    /// The session it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Address>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Its version in the sender's inbox.
    pub sent_v: Version,
}

/// What came in up to a version has reached a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesDelivered {
    /// The version the device has.
    pub through: Version,
    /// The receipts that this gives, one for each sender.
    pub receipts: Vec<Acknowledged>,
}

/// Up to where a sender's messages are received or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The sender.
    pub from: UserId,
    /// The version of the newest one in the sender's inbox.
    pub sent_v: Version,
}

/// The owner read a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesRead {
    /// With whom.
    pub with: UserId,
    /// The version up to which.
    pub through: Version,
    /// The version of the newest message read in the sender's inbox.
    pub sent_v: Version,
}

/// What became of the owner's messages on the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// They reached a device.
    Delivered,
    /// They were read.
    Read,
}

/// The other side received or read what the owner sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptReceived {
    /// Who.
    pub with: UserId,
    /// Which of the two.
    pub kind: ReceiptKind,
    /// The version, in this inbox, of the newest message it is for; earlier ones are included.
    pub through: Version,
}

/// Something a user should know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// The other person it happened with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
    /// The session it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// The kinds of notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A coaching link between the owner and `with` is active, or has other permissions.
    Linked,
    /// A coaching link between the owner and `with` ended.
    Unlinked,
    /// `session` of the owner's was given up after hours without a word.
    Abandoned,
}

impl Notice {
    /// A coaching link became active or changed.
    pub const fn linked(with: UserId) -> Self {
        Self { kind: NoticeKind::Linked, with: Some(with), session: None }
    }

    /// A coaching link ended.
    pub const fn unlinked(with: UserId) -> Self {
        Self { kind: NoticeKind::Unlinked, with: Some(with), session: None }
    }

    /// A session was given up.
    pub const fn abandoned(session: SessionId) -> Self {
        Self { kind: NoticeKind::Abandoned, with: None, session: Some(session) }
    }
}

/// Something happened that the owner should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// What.
    pub notice: Notice,
}

/// The owner read notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationsRead {
    /// The version up to which.
    pub through: Version,
}
