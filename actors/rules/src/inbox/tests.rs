use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::*;
use spotter_protocol::{
    ClientId, CommandId, Delivered, MessageId, MessageText, Notify, Read, ReadNotifications, Receipt,
    SessionId, Stamp,
};
use uuid::Uuid;

use super::*;
use crate::{Entity, Verdict};

const PEOPLE: [UserId; 3] =
    [UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)), UserId(Uuid::from_u128(3))];

/// Where an event of the server's own comes from, in somebody's name.
fn stamp(author: UserId, clock: i64) -> Stamp {
    Stamp {
        at: Timestamp(clock),
        received_at: Timestamp(clock),
        device_at: Timestamp(clock),
        offset: 0,
        author,
        command: CommandId(Uuid::nil()),
        client: ClientId::SERVER,
        n: 0,
    }
}

/// Three inboxes and the letters between them.
#[derive(Default)]
struct Post {
    inboxes: [Entity<Inbox>; 3],
    journals: [Vec<Recorded<InboxEvent>>; 3],
    /// Letters under way to each inbox, oldest first.
    letters: [VecDeque<Letter>; 3],
    clock: i64,
}

impl Post {
    /// Tells inbox `who` something, in its owner's name with number `n` or in the server's with none.
    fn tell(&mut self, who: usize, n: Option<u64>, command: &InboxCommand) -> Verdict<InboxEvent> {
        self.clock += 1;
        let ask = Ask {
            owner: PEOPLE[who],
            id: PEOPLE[who].0,
            command,
            command_id: CommandId(Uuid::from_u128(self.clock.unsigned_abs().into())),
            author: PEOPLE[who],
            client: n.map_or(ClientId::SERVER, |_| ClientId(PEOPLE[who].0)),
            n: n.unwrap_or(0),
            after: 0,
            device_at: Timestamp(self.clock),
            offset: 0,
            received_at: Timestamp(self.clock),
        };
        let verdict = self.inboxes[who].judge(&ask, &Brief::default());
        if let Verdict::Accept(events) = &verdict {
            self.inboxes[who] = self.inboxes[who].after(events);
            let letters = |event| Inbox::letters(Address::inbox(PEOPLE[who]), event);
            for letter in events.iter().flat_map(letters) {
                let to = PEOPLE.iter().position(|person| *person == letter.to).expect("one of the three");
                self.letters[to].push_back(letter);
            }
            self.journals[who].extend(events.iter().cloned());
        }
        verdict
    }

    /// Lets inbox `who` begin a new stream.
    fn rebase(&mut self, who: usize) {
        let rebased = self.inboxes[who].rebase(stamp(PEOPLE[who], self.clock)).unwrap();
        self.inboxes[who].apply(&rebased);
        self.journals[who].push(rebased);
    }

    fn carry_one(&mut self, to: usize) {
        if let Some(letter) = self.letters[to].pop_front() {
            let verdict = self.tell(to, None, &letter.command);
            assert!(matches!(verdict, Verdict::Accept(_)), "a carried letter cannot be refused: {verdict:?}");
        }
    }

    fn carry_all(&mut self) {
        while self.letters.iter().any(|letters| !letters.is_empty()) {
            (0..3).for_each(|to| self.carry_one(to));
        }
    }

    fn view(&self, who: usize) -> InboxView {
        self.inboxes[who].state().seen()
    }
}

fn message(to: usize, text: &str) -> InboxCommand {
    let id = MessageId(Uuid::new_v5(&Uuid::nil(), text.as_bytes()));
    Message { to: PEOPLE[to], id, text: MessageText::clipped(text), about: None }.into()
}

fn refused(verdict: &Verdict<InboxEvent>) -> Option<ErrorCode> {
    match verdict {
        Verdict::Refuse(fault) => Some(fault.code),
        Verdict::Accept(_) | Verdict::Repeat(_) => None,
    }
}

#[test]
fn a_message_arrives_and_its_receipts_come_back() {
    let mut post = Post::default();
    post.tell(0, Some(1), &message(1, "ready when you are"));
    post.carry_all();
    assert_eq!(post.view(1).conversations[0].unread, 1);
    assert_eq!(post.view(0).conversations[0].delivered_there, Version(0));

    post.tell(1, None, &Delivered { through: Version(1) }.into());
    post.carry_all();
    let mine = &post.view(0).conversations[0];
    assert_eq!((mine.delivered_there, mine.read_there), (Version(1), Version(0)));

    post.tell(1, Some(1), &Read { with: PEOPLE[0], through: Version(2) }.into());
    post.carry_all();
    assert_eq!(post.view(0).conversations[0].read_there, Version(1));
    assert_eq!(post.view(1).conversations[0].unread, 0);
}

#[test]
fn what_is_so_already_changes_nothing() {
    let mut post = Post::default();
    post.tell(0, Some(1), &message(1, "hello"));
    post.carry_all();
    let delivered = InboxCommand::from(Delivered { through: Version(1) });
    let read = InboxCommand::from(Read { with: PEOPLE[0], through: Version(1) });
    post.tell(1, None, &delivered);
    post.tell(1, Some(1), &read);

    assert_eq!(refused(&post.tell(1, None, &delivered)), Some(ErrorCode::NoChange));
    assert_eq!(refused(&post.tell(1, Some(2), &read)), Some(ErrorCode::NoChange));
    let nobody = Read { with: PEOPLE[2], through: Version(9) };
    assert_eq!(refused(&post.tell(1, Some(2), &nobody.into())), Some(ErrorCode::NoChange));
}

#[test]
fn nobody_writes_to_themselves_or_says_nothing() {
    let mut post = Post::default();
    assert_eq!(refused(&post.tell(0, Some(1), &message(0, "note to self"))), Some(ErrorCode::ToOneself));
    assert_eq!(refused(&post.tell(0, Some(1), &message(1, " \n"))), Some(ErrorCode::Empty));
}

#[test]
fn notifications_are_read_up_to_a_version() {
    let mut post = Post::default();
    let notice = Notice::abandoned(SessionId(Uuid::from_u128(5)));
    post.tell(0, None, &Notify { notice }.into());
    post.tell(0, None, &Notify { notice }.into());

    post.tell(0, Some(1), &ReadNotifications { through: Version(1) }.into());
    assert_eq!(post.view(0).notifications_read, Version(1));
    let again = post.tell(0, Some(2), &ReadNotifications { through: Version(1) }.into());
    assert_eq!(refused(&again), Some(ErrorCode::NoChange));
    post.tell(0, Some(2), &ReadNotifications { through: Version(99) }.into());
    assert_eq!(post.view(0).notifications_read, Version(2), "no further than the newest one");
}

#[test]
fn an_inbox_keeps_the_newest_at_hand_and_stays_bounded() {
    let mut inbox = Entity::<Inbox>::default();
    for number in 0..2_000_u128 {
        let from = UserId(Uuid::from_u128(100 + number % 700));
        let receive = Receive {
            from,
            id: MessageId(Uuid::from_u128(number)),
            text: MessageText::clipped("hello"),
            about: None,
            sent_at: Timestamp(0),
            sent_v: Version(1),
        };
        let version = inbox.head().next();
        inbox = inbox.after(&[Recorded { version, stamp: stamp(from, 0), event: received(&receive) }]);
    }

    let view = inbox.state().seen();
    assert_eq!(view.conversations.len(), CONVERSATIONS_MAX);
    let kept: usize = view.conversations.iter().map(|one| one.messages.len()).sum();
    assert!((CONVERSATIONS_MAX..=MESSAGES_IN_ALL_MAX).contains(&kept), "{kept}");
    assert_eq!(view.conversations[0].messages.last().map(|message| message.v), Some(Version(2_000)));
}

#[test]
fn only_its_owner_sees_an_inbox() {
    let mut post = Post::default();
    post.tell(0, Some(1), &message(1, "hello"));
    for view in View::ALL {
        assert_eq!(post.inboxes[0].state().view(view).is_some(), view == View::Athlete);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send { from: usize, to: usize, n: u64 },
    Read { who: usize, with: usize, through: u64, n: u64 },
    Delivered { who: usize, through: u64 },
    Carry { to: usize },
    Rebase { who: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, 0..3_usize, 1..40_u64).prop_map(|(from, to, n)| Step::Send { from, to, n }),
        (0..3_usize, 0..3_usize, 0..30_u64, 1..40_u64).prop_map(|(who, with, through, n)| Step::Read {
            who,
            with,
            through,
            n
        }),
        (0..3_usize, 0..30_u64).prop_map(|(who, through)| Step::Delivered { who, through }),
        (0..3_usize).prop_map(|to| Step::Carry { to }),
        (0..3_usize).prop_map(|who| Step::Rebase { who }),
    ]
}

proptest! {
    /// Whatever is sent, read and carried in whatever order, with repeats of numbers: both sides hold the same
    /// messages in the order they were sent, marks agree, and replays agree.
    #[test]
    fn both_sides_of_a_conversation_agree_in_the_end(steps in vec(step(), 0..80), cut: prop::sample::Index) {
        let mut post = Post::default();
        for step in steps {
            match step {
                Step::Send { from, to, n } => {
                    let before = post.inboxes[from].clone();
                    let verdict = post.tell(from, Some(n), &message(to, &format!("{from} {n}")));
                    if !matches!(verdict, Verdict::Accept(_)) {
                        prop_assert_eq!(&post.inboxes[from], &before);
                    }
                }
                Step::Read { who, with, through, n } => {
                    let read = Read { with: PEOPLE[with], through: Version(through) };
                    post.tell(who, Some(n), &read.into());
                }
                Step::Delivered { who, through } => {
                    post.tell(who, None, &Delivered { through: Version(through) }.into());
                }
                Step::Carry { to } => post.carry_one(to),
                Step::Rebase { who } => post.rebase(who),
            }
        }
        post.carry_all();

        for (who, journal) in post.journals.iter().enumerate() {
            let (first, tail) = journal.split_at(cut.index(journal.len() + 1));
            let stored = Entity::<Inbox>::default().after(first).to_stored().unwrap();
            let loaded = Entity::<Inbox>::from_stored(Inbox::FORM, &stored).unwrap();
            prop_assert_eq!(&loaded.after(tail), &post.inboxes[who]);
            let begins = |event: &Recorded<InboxEvent>| Inbox::rebased(&event.event).is_some();
            if let Some(begin) = journal.iter().rposition(begins) {
                let replayed = Entity::<Inbox>::replay(&journal[begin..]).unwrap();
                prop_assert_eq!(&replayed, &post.inboxes[who], "the newest stream is all of it");
            }

            for conversation in post.view(who).conversations {
                let there = PEOPLE.iter().position(|person| *person == conversation.with).unwrap();
                let theirs = post.view(there);
                let theirs = theirs.conversations.iter().find(|one| one.with == PEOPLE[who]).unwrap();
                let ids = |messages: &[spotter_protocol::MessageView], mine| {
                    let some = messages.iter().filter(|message| message.mine == mine);
                    some.map(|message| message.id).collect::<Vec<_>>()
                };
                prop_assert_eq!(ids(&conversation.messages, true), ids(&theirs.messages, false));

                let read_here = |message: &&spotter_protocol::MessageView| !message.mine && message.v <= conversation.read;
                let read_there = theirs.messages.iter().filter(|message| message.mine && message.v <= theirs.read_there);
                prop_assert_eq!(conversation.messages.iter().filter(read_here).count(), read_there.count());
                let unread = conversation.messages.iter().filter(|message| !message.mine && message.v > conversation.read);
                prop_assert_eq!(unread.count() as u32, conversation.unread);
            }
        }
    }
}

#[test]
fn a_receipt_for_a_forgotten_conversation_changes_nothing() {
    let mut post = Post::default();
    let receipt = Receipt { with: PEOPLE[1], kind: ReceiptKind::Read, through: Version(3) };
    post.tell(0, None, &receipt.into());
    assert_eq!(post.view(0), InboxView::default());
}
