//! What may be asked of an inbox. Four of these come from the server alone: a receipt for what a device has
//! seen, and what other entities have sent.

use serde::{Deserialize, Serialize};

use crate::event::{Notice, ReceiptKind};
use crate::vocabulary::vocabulary;
use crate::{Address, MessageId, MessageText, Timestamp, UserId, Version};

vocabulary! {
    /// What may be asked of an inbox.
    pub enum InboxCommand, InboxCommandKind {
        /// Send a message to a linked person.
        Message = "message",
        /// Everything of a conversation up to a version was read.
        Read = "read",
        /// All notifications up to a version were read.
        ReadNotifications = "read_notifications",
        /// Everything up to a version has reached a device of the owner's. The server's own.
        Delivered = "delivered",
        /// A message arrives. The server's own.
        Receive = "receive",
        /// A receipt arrives for messages of the owner's. The server's own.
        Receipt = "receipt",
        /// Something happened that the owner should know of. The server's own.
        Notify = "notify",
    }
}

/// Sends a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// To whom.
    pub to: UserId,
    /// The message's id, made by the client; the same in both inboxes.
    pub id: MessageId,
    /// What it says.
    pub text: MessageText,
    /// The session it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Address>,
}

/// Reads a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// With whom.
    pub with: UserId,
    /// The version of the newest message read.
    pub through: Version,
}

/// Reads notifications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadNotifications {
    /// The version of the newest notification read.
    pub through: Version,
}

/// Says what has reached a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// The version the device has.
    pub through: Version,
}

/// Hands over a message from another inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receive {
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
    /// Its version in the sender's inbox, for the receipt.
    pub sent_v: Version,
}

/// Hands over a receipt from another inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Who received or read.
    pub with: UserId,
    /// Which of the two.
    pub kind: ReceiptKind,
    /// The version, in this inbox, of the newest message it is for; earlier ones are included.
    pub through: Version,
}

/// Hands over a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// What happened.
    pub notice: Notice,
}
