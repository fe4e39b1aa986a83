//! An inbox and a room with something in every field, held to their stored forms. (The session's is held by
//! `history.rs`.)

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

mod stored;

use spotter_protocol::{
    Acknowledged, Address, AthleteHidden, AthletePinned, Badge, BadgeDismissed, ClientId, CommandId,
    InboxEvent, MessageId, MessageReceived, MessageSent, MessageText, MessagesDelivered, MessagesRead,
    Notice, NotificationsRead, Notified, ReceiptKind, ReceiptReceived, Recorded, RoomEvent, SessionId, Stamp,
    Timestamp, UserId, Version,
};
use spotter_rules::{Entity, Inbox, Room, Rules};
use uuid::Uuid;

const ANA: UserId = UserId(Uuid::from_u128(0x0199_c82c_c000_7000_8000_00a1_0000_00a1));
const COACH: UserId = UserId(Uuid::from_u128(0x0199_c82c_c000_7000_8000_00c0_0000_00c0));
const SESSION: SessionId = SessionId(Uuid::from_u128(0x0199_c82c_c000_7000_8000_005e_0000_005e));

/// An entity to which this has happened, each by a numbered command of its owner's.
fn after<S: Rules>(owner: UserId, events: Vec<S::Event>) -> Entity<S> {
    let recorded = (1_u64..).zip(events).map(|(v, event)| {
        let at = Timestamp(1_760_000_000_000_000 + i64::try_from(v).unwrap());
        let stamp = Stamp {
            at,
            received_at: at,
            device_at: at,
            offset: 0,
            author: owner,
            command: CommandId(Uuid::from_u128(v.into())),
            client: ClientId(owner.0),
            n: v,
        };
        Recorded { version: Version(v), stamp, event }
    });
    Entity::default().after(&recorded.collect::<Vec<_>>())
}

#[test]
fn an_inbox_is_read_in_every_form_it_was_ever_stored_in() {
    let sent = MessageSent {
        to: COACH,
        id: MessageId(Uuid::from_u128(1)),
        text: MessageText::clipped("the left knee again"),
        about: Some(Address::session(ANA, SESSION)),
    };
    let received = MessageReceived {
        from: COACH,
        id: MessageId(Uuid::from_u128(2)),
        text: MessageText::clipped("stop at 90 kg then"),
        about: None,
        sent_at: Timestamp(1_760_000_000_000_000),
        sent_v: Version(7),
    };
    let events: Vec<InboxEvent> = vec![
        Notified { notice: Notice::linked(COACH) }.into(),
        sent.into(),
        received.into(),
        ReceiptReceived { with: COACH, kind: ReceiptKind::Delivered, through: Version(2) }.into(),
        ReceiptReceived { with: COACH, kind: ReceiptKind::Read, through: Version(2) }.into(),
        MessagesDelivered {
            through: Version(3),
            receipts: vec![Acknowledged { from: COACH, sent_v: Version(7) }],
        }
        .into(),
        MessagesRead { with: COACH, through: Version(3), sent_v: Version(7) }.into(),
        NotificationsRead { through: Version(1) }.into(),
    ];
    stored::hold(&after::<Inbox>(ANA, events));
}

#[test]
fn a_room_is_read_in_every_form_it_was_ever_stored_in() {
    let events: Vec<RoomEvent> = vec![
        AthleteHidden { athlete: UserId(Uuid::from_u128(1)) }.into(),
        AthletePinned { athlete: ANA }.into(),
        BadgeDismissed { athlete: ANA, session: SESSION, badge: Badge::Failed, v: Version(12) }.into(),
    ];
    stored::hold(&after::<Room>(COACH, events));
}
