//! Removing a closed gym's rows piece by piece, as a store does it, without a node beside it.

#![allow(clippy::unwrap_used, reason = "a test that is surprised should end")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/store.rs"]
mod store;

use spotter::clock::SystemClock;
use spotter::db;
use spotter::store::{Month, Removed};
use spotter_actors::Clock;
use spotter_protocol::GymId;
use store::{Serving, on_both};
use uuid::Uuid;

on_both! {
    #[tokio::test]
    super::store::on_file().await, super::store::on_server().await =>
    a_stream_behind_a_month_that_was_taken_away_goes_too
    nothing_goes_without_the_claim_or_of_a_gym_that_is_open
}

/// A closed gym of one person, with a session whose second stream is gone with its month.
async fn a_gym_with_a_hole(serving: &Serving) -> GymId {
    let db = serving.store.db();
    let (gym, ada, session) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let month = Month::of(SystemClock.now()).streams().start.0.as_u128();
    let stream = |n: u128| Uuid::from_u128(month + n);
    let run = async |text: &'static str, bind: &[Uuid]| {
        let query = bind.iter().fold(db::query(text), |query, id| query.bind(*id));
        query.execute(&db.writer).await.unwrap();
    };
    run(
        "INSERT INTO gyms (id, slug, name, created_at, closed_at) VALUES ($1, 'north', 'North', 0, 1)",
        &[gym],
    )
    .await;
    run(
        "INSERT INTO users (id, gym, email, name, role, created_at) VALUES ($1, $2, 'a@b.c', 'Ada', 'athlete', 0)",
        &[ada, gym],
    )
    .await;
    run(
        "INSERT INTO entities (owner, kind, id, gym, stream, first_version) VALUES ($1, 'session', $2, $3, $4, 21)",
        &[ada, session, gym, stream(3)],
    )
    .await;
    let event =
        "INSERT INTO journal (stream, version, epoch, kind, schema, at, received_at, device_at, clock_offset,
         author, command, client, n, body) VALUES ($1, $2, 1, $3, 1, 0, 0, 0, 0, $4, $4, $4, 0, $5)";
    let write = async |at: Uuid, version: i64, kind: &str, body: &[u8]| {
        let query = db::query(event).bind(at).bind(version).bind(kind).bind(ada).bind(body);
        query.execute(&db.writer).await.unwrap();
    };
    write(stream(1), 1, "started", &[0x80]).await;
    write(stream(1), 11, "moved", stream(2).as_bytes()).await;
    write(stream(3), 21, "session_rebased", &[0x80]).await;
    GymId(gym)
}

async fn a_stream_behind_a_month_that_was_taken_away_goes_too(serving: Serving) {
    let gym = a_gym_with_a_hole(&serving).await;

    assert_eq!(serving.store.remove_some(&serving.claim, gym).await.unwrap(), Removed::Whole);

    let rows = db::query("SELECT count(*) AS rows FROM journal").fetch_one(&serving.store.db().reader).await;
    assert_eq!(rows.unwrap().get::<i64>("rows").unwrap(), 0);
    assert_eq!(serving.store.remove_some(&serving.claim, gym).await.unwrap(), Removed::Open, "again");
}

async fn nothing_goes_without_the_claim_or_of_a_gym_that_is_open(serving: Serving) {
    let gym = a_gym_with_a_hole(&serving).await;
    let db = serving.store.db();
    let close = |at: Option<i64>| db::query("UPDATE gyms SET closed_at = $1").bind(at);
    close(None).execute(&db.writer).await.unwrap();
    assert_eq!(serving.store.remove_some(&serving.claim, gym).await.unwrap(), Removed::Open);

    close(Some(1)).execute(&db.writer).await.unwrap();
    db::query("UPDATE shards SET epoch = epoch + 1").execute(&db.writer).await.unwrap();
    assert_eq!(serving.store.remove_some(&serving.claim, gym).await.unwrap(), Removed::Fenced);

    let rows = db::query("SELECT count(*) AS rows FROM journal").fetch_one(&db.reader).await.unwrap();
    assert_eq!(rows.get::<i64>("rows").unwrap(), 3);
}
