//! Shards that come and go while their entities train.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use spotter_actors::{Claims, Done, Journal, SimulatedJournal};
use spotter_protocol::{ErrorCode, Version};
use tokio::time::Instant;
use uuid::Uuid;

use crate::house::{GYM, House, IDLE, NODE, SESSION, done, note, start};

const OTHER_NODE: Uuid = Uuid::from_u128(77);

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_handed_over_finishes_what_it_admitted_and_takes_nothing_more() {
    let house = House::open(IDLE).await;
    let answers: Vec<_> =
        [start()].into_iter().chain((2..=40).map(note)).map(|frame| house.dispatch(frame)).collect();

    house.engine.claims().close(SESSION.shard());
    let late = house.send(note(41)).await;
    house.engine.clear(&BTreeSet::from([SESSION.shard()])).await;

    for answer in answers {
        assert!(answer.await.unwrap().is_ok(), "what was admitted is done");
    }
    assert_eq!(late.unwrap_err().code, ErrorCode::Unavailable, "there is nobody to hand it to");
    let stored = house.journal.load(GYM, SESSION).await.unwrap().unwrap();
    assert_eq!(
        stored.snapshot.map(|snapshot| snapshot.version),
        Some(Version(40)),
        "whoever takes it has less to read"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_comes_back_is_read_anew() {
    let house = House::open(IDLE).await;
    assert_eq!(house.send(start()).await, done(1));
    let (claims, shard) = (house.engine.claims(), SESSION.shard());

    // Another node has it for a while, and writes to it.
    claims.close(shard);
    house.engine.clear(&BTreeSet::from([shard])).await;
    claims.lose(shard);
    let epoch = house.journal.steal(shard, OTHER_NODE);
    let theirs = Claims::none(OTHER_NODE);
    theirs.take(shard, epoch);
    theirs.renew(Instant::now(), IDLE);
    let there = House::holding(Arc::new(theirs), Arc::clone(&house.journal), IDLE, 1000).await;
    assert_eq!(there.send(note(2)).await, done(2));
    assert_eq!(house.send(note(3)).await.unwrap_err().code, ErrorCode::Unavailable);

    claims.take(shard, house.journal.steal(shard, NODE));

    assert_eq!(house.send(note(2)).await, Ok(Done { version: Version(2), repeat: true }));
    assert_eq!(house.send(note(3)).await, done(3));
    tokio::time::advance(IDLE).await;
    assert_eq!(
        there.send(note(4)).await.unwrap_err().code,
        ErrorCode::Unavailable,
        "it knows no more what is so"
    );
}

#[tokio::test(start_paused = true)]
async fn what_another_may_have_changed_meanwhile_refuses_nobody_for_good() {
    let journal = Arc::new(SimulatedJournal::default());
    let claims = Arc::new(Claims::none(NODE));
    claims.take(SESSION.shard(), journal.steal(SESSION.shard(), NODE));
    claims.renew(Instant::now(), Duration::from_secs(3));
    let house = House::holding(Arc::clone(&claims), journal, IDLE, 1000).await;
    let refused = house.send(note(2)).await.unwrap_err();
    assert_ne!(refused.code, ErrorCode::Unavailable, "there is no session");

    // Nothing was heard of the lease for as long as it takes to be thought dead.
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(house.send(note(2)).await.unwrap_err().code, ErrorCode::Unavailable);

    claims.renew(Instant::now(), Duration::from_secs(3));
    assert_eq!(house.send(note(2)).await, Err(refused));
    assert_eq!(house.send(start()).await, done(1));
}
