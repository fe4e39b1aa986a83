//! Entities that move out of old streams, asleep and awake, and what of it can be seen: nothing.

use std::sync::Arc;
use std::time::Duration;

use spotter_actors::{Archived, CatchUp, Done, Engine, Journal};
use spotter_protocol::{StreamId, Timestamp, Version, View};
use uuid::Uuid;

use crate::house::{GYM, House, IDLE, SESSION, done, note, set_of, start};

const NOBODY: StreamId = StreamId(Uuid::nil());

/// Later than every stream that is minted while the tests run, and before kept ones.
fn tomorrow() -> StreamId {
    StreamId::least_at(Timestamp(i64::MAX / 1_000_000 * 1000))
}

async fn archive(engine: &Engine) -> Archived {
    engine.archive(tomorrow(), NOBODY).await.unwrap()
}

async fn stream(house: &House) -> StreamId {
    house.journal.load(GYM, SESSION).await.unwrap().unwrap().stream
}

/// What the athlete sees, and at which version.
async fn seen(engine: &Engine) -> CatchUp {
    engine.catch_up(GYM, SESSION, None, View::Athlete).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_at_rest_is_read_back_the_same_and_goes_on() {
    let house = House::open(Duration::from_secs(5)).await;
    house.send(start()).await.unwrap();
    house.send(set_of("row", 2)).await.unwrap();
    for n in 3..=12 {
        house.send(note(n)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let CatchUp::Snapshot(head, before) = seen(&house.engine).await else { panic!("a state") };
    let old = stream(&house).await;

    let archived = archive(&house.engine).await;

    assert_eq!(archived, Archived { moved: 1, last: Some(old), ..Archived::default() });
    assert!(stream(&house).await >= StreamId::KEPT);
    assert_eq!(archive(&house.engine).await, Archived::default(), "nobody is left");
    house.journal.take_away(tomorrow());
    assert_eq!(seen(&house.engine).await, CatchUp::Snapshot(head.next(), before.clone()));
    let next = House::over(Arc::clone(&house.journal), IDLE).await;
    assert_eq!(seen(&next.engine).await, CatchUp::Snapshot(head.next(), before));
    let again = next.send(note(5)).await.unwrap();
    assert!(again.repeat, "what was answered before is remembered: {again:?}");
    assert_eq!(next.send(note(13)).await, done(head.0 + 2), "a late command");
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_awake_is_superseded_and_nothing_is_lost() {
    let house = House::open(IDLE).await;
    house.send(start()).await.unwrap();
    house.send(note(2)).await.unwrap();

    let archived = archive(&house.engine).await;

    assert_eq!((archived.moved, archived.busy, archived.stuck), (1, 0, 0));
    assert_eq!(house.send(note(3)).await, done(4), "the actor meets the seal and is rebuilt");
    assert_eq!(house.send(note(2)).await, Ok(Done { version: Version(2), repeat: true }));
    assert!(stream(&house).await >= StreamId::KEPT);
    assert!(house.engine.quarantined().is_empty());
    let all = house.journal.history(GYM, SESSION);
    assert!(all.iter().map(|event| event.version.0).eq(1..=4), "each version once");
}

#[tokio::test]
async fn commands_that_come_while_a_session_moves_are_done_once_and_in_turn() {
    let house = House::open(IDLE).await;
    house.send(start()).await.unwrap();

    let phone = async {
        for n in 2..=60 {
            let answer = house.insist(note(n)).await.unwrap();
            assert!(!answer.repeat);
        }
    };
    let operator = async {
        let mut archived = archive(&house.engine).await;
        while archived.moved == 0 {
            tokio::task::yield_now().await;
            archived = archive(&house.engine).await;
            assert_eq!(archived.stuck, 0);
        }
    };
    tokio::join!(phone, operator);

    let all = house.journal.history(GYM, SESSION);
    assert!(all.iter().map(|event| event.version.0).eq(1..=all.len() as u64), "each version once");
    let commands = all.iter().filter(|event| event.stamp.n > 0).map(|event| event.stamp.n);
    assert!(commands.eq(1..=60), "each command once, in turn");
    let rebased = all.iter().filter(|event| event.kind == "session_rebased").count();
    assert_eq!(rebased, all.len() - 60);
}

#[tokio::test(start_paused = true)]
async fn nothing_moves_without_the_claim() {
    let house = House::open(IDLE).await;
    house.send(start()).await.unwrap();
    let before = stream(&house).await;
    house.journal.steal(SESSION.shard(), Uuid::from_u128(77));

    let archived = archive(&house.engine).await;

    assert_eq!((archived.moved, archived.busy, archived.stuck), (0, 0, 1));
    assert_eq!(stream(&house).await, before);
}
