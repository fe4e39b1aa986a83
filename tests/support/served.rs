//! What the server shows and answers of every session, held against the journal: nothing is ahead of it.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test that is surprised should end")]

use std::sync::Arc;
use std::time::Duration;

use spotter_protocol::{
    Address, ClientFrame, ClientId, CommandFrame, Persistence, Reply, ServerFrame, Version,
};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::athletes::{AGAIN, FOLLOW, Gym};
use crate::journal::Journal;
use crate::server::{Person, Server};
use crate::wire::Wire;

/// How soon everyone is served again once a fault is over.
pub const RECOVERY: Duration = Duration::from_secs(30);
/// Sessions that are looked at side by side.
const AT_ONCE: usize = 16;

/// Answers that an entity keeps of each client; older repeats are answered with a newer version.
const ANSWERS: usize = 64;

/// What is asked about one session.
struct Question {
    athlete: Person,
    session: Address,
    head: Version,
    /// Commands that were acknowledged, and the version each was acknowledged at.
    repeats: Vec<(CommandFrame, Version)>,
}

/// Has something bad happen under load, and waits until everyone is served again.
///
/// # Errors
/// When not everyone is, in good time.
pub async fn again(gym: &Arc<Gym>, fault: &str, happen: impl Future<Output = ()>) -> Result<(), Elapsed> {
    let (acks, begun) = (gym.acks(), Instant::now());
    happen.await;
    let (after, over) = (gym.acks(), Instant::now());
    let (first, all) = timeout(RECOVERY, gym.everyone_is_served()).await?;
    println!(
        "{fault}: {acks} acknowledged before, {} in the {:.1?} it took; the first again after {first:.1?}, everyone \
         after {all:.1?}",
        after - acks,
        over - begun,
    );
    Ok(())
}

/// Has everyone rest: what they were told, what is in the database, and what the server says, are the same.
pub async fn as_told(gym: &Arc<Gym>, database: &str, server: &Server) {
    gym.rest().await;
    let journal = Journal::of_postgres(database).await;
    journal.check();
    for book in gym.books() {
        journal.holds(&book);
    }
    as_written(gym, &journal).await;
    let verified = server.tool(&["verify"], "").await;
    assert!(verified.starts_with("clean: "), "spotter verify finds nothing: {verified}");
    // Whoever followed all the time has seen it too: no news was lost with a fault.
    while gym.books().any(|book| book.seen.version != journal.head(book.session)) {
        sleep(Duration::from_millis(10)).await;
    }
}

/// While everyone rests: a fresh subscriber to each session is shown the journal's version, and some of each athlete's
/// newest commands, sent once more, are answered with the versions that the journal holds.
pub async fn as_written(gym: &Arc<Gym>, journal: &Journal) {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    for book in gym.books() {
        let repeats = book.acknowledged.values().rev().take(ANSWERS).step_by(ANSWERS / 3).cloned().collect();
        let head = journal.head(book.session).expect("everyone has begun");
        let question = Question { athlete: book.athlete.clone(), session: book.session, head, repeats };
        let (free, gym) = (Arc::clone(&free), Arc::clone(gym));
        asking.spawn(async move {
            let _turn = free.acquire().await.unwrap();
            while asked(&gym.url(), &question).await.is_none() {
                tokio::time::sleep(AGAIN).await;
            }
        });
    }
    asking.join_all().await;
}

/// Asks once; `None` when the server says that it cannot tell just now, as it may right after a fault.
async fn asked(url: &str, question: &Question) -> Option<()> {
    let Question { athlete, session, head, repeats } = question;
    let client = ClientId(Uuid::now_v7());
    let mut wire = Wire::open(url, &athlete.token, client, None).await.ok()?;
    wire.subscribe(FOLLOW, *session, None).await.ok()?;
    for (command, _) in repeats {
        wire.send(ClientFrame::Command(command.clone())).await.ok()?;
    }
    let (mut shown, mut followed, mut answered) = (None, None, 0);
    while shown.is_none() || followed.is_none() || answered < repeats.len() {
        match wire.next().await.ok()? {
            ServerFrame::Welcome(_) => {}
            ServerFrame::Snapshot(snapshot) => shown = Some(snapshot.v),
            ServerFrame::Reply(Reply { error: Some(fault), .. }) if fault.kind == Persistence::Temporary => {
                return None;
            }
            ServerFrame::Reply(Reply { error: Some(fault), .. }) => panic!("{session}: {fault}"),
            ServerFrame::Reply(reply) if reply.req == Some(FOLLOW) => followed = reply.v,
            ServerFrame::Reply(reply) => {
                let asked = repeats.iter().find(|(command, _)| Some(command.req) == reply.req);
                let (command, version) = asked.expect("an answer to a question");
                let n = command.n;
                assert_eq!(
                    reply.v,
                    Some(*version),
                    "{session}: a repeat of n {n} is answered as the first was"
                );
                assert!(reply.repeat, "{session}: a repeat of n {n} is known as one");
                answered += 1;
            }
            other => panic!("not asked for: {other:?}"),
        }
    }
    assert_eq!((shown, followed), (Some(*head), Some(*head)), "{session} is shown as the journal has it");
    Some(())
}
