//! What a store must do with commands that were given up.

use spotter_protocol::{
    Address, ClientId, CommandFrame, CommandId, GymId, Note, NoteText, SessionId, Timestamp, UserId,
};
use uuid::Uuid;

use super::Subject;
use crate::{Ask, DeadLetter, ReplyTo};

fn an_ask(command: u128) -> Ask {
    let author = UserId(Uuid::from_u128(1));
    let frame = CommandFrame {
        req: 1,
        id: CommandId(Uuid::from_u128(command)),
        client: ClientId(Uuid::from_u128(2)),
        n: u64::MAX,
        after: 3,
        at: Timestamp(-7),
        to: Address::session(author, SessionId(Uuid::from_u128(3))),
        command: Note { set: None, text: NoteText::clipped("it's \"quoted\" — ½") }.into(),
    };
    Ask::new(GymId(Uuid::from_u128(4)), author, frame, -250_000, Timestamp(9), ReplyTo::new(drop))
}

fn a_letter(command: u128, given_up_at: i64) -> DeadLetter {
    DeadLetter::of(&an_ask(command), "no such place".to_owned(), Timestamp(given_up_at))
}

async fn keep(subject: &dyn Subject, letter: &DeadLetter) {
    assert!(subject.dead_letters().keep(letter).await.expect("the store answers"));
}

/// Everything about a letter is kept, and the command in it can be offered again: by itself, so that it follows
/// none and is not taken for one that was accepted since.
pub async fn a_dead_letter_comes_back_as_it_was_kept(subject: &dyn Subject) {
    let (older, newer) = (a_letter(1, 10), a_letter(2, 20));
    keep(subject, &older).await;
    keep(subject, &newer).await;

    let letters = subject.dead_letters();
    assert_eq!(letters.dead_letters().await.expect("an answer"), [newer.clone(), older], "newest first");
    let found = letters.dead_letter(newer.id).await.expect("an answer").expect("a letter");
    let again = found.ask_again(ReplyTo::new(drop)).expect("this build reads it");
    let sent = an_ask(2);
    assert_eq!((again.frame.id, &again.frame.command), (sent.frame.id, &sent.frame.command));
    assert_eq!((again.frame.at, again.offset, again.received_at), (Timestamp(-7), -250_000, Timestamp(9)));
    assert_eq!((again.frame.n, again.frame.after), (1, 0));
    assert_ne!(again.frame.client, sent.frame.client);
}

/// A command that is given up again replaces what was kept of it.
pub async fn a_command_given_up_again_is_kept_once(subject: &dyn Subject) {
    keep(subject, &a_letter(1, 10)).await;
    let offered = a_letter(1, 10).ask_again(ReplyTo::new(drop)).expect("this build reads it");
    let again = DeadLetter::of(&offered, "still no such place".to_owned(), Timestamp(30));

    keep(subject, &again).await;

    assert_eq!(subject.dead_letters().dead_letters().await.expect("an answer"), [again]);
}

/// What is discarded is gone, and cannot be discarded again.
pub async fn a_discarded_dead_letter_is_gone(subject: &dyn Subject) {
    let letter = a_letter(1, 10);
    keep(subject, &letter).await;

    let letters = subject.dead_letters();
    assert!(letters.discard(letter.id).await.expect("an answer"));
    assert!(!letters.discard(letter.id).await.expect("an answer"));
    assert_eq!(letters.dead_letter(letter.id).await.expect("an answer"), None);
}
