//! Long random histories through the real engine: phones that send in blocks, send again, send out of order and
//! with wrong clocks, over a journal that fails, loses answers and is slow, while activations crash and entities
//! rest. Whatever happens, the journal tells one story, and everybody was told that story.
//!
//! `SPOTTER_HISTORIES=20 cargo test --test rules_histories` adds twenty fresh seeds, `SPOTTER_HISTORY=7` tells the
//! history of one seed alone; a seed that finds a defect joins [`SEEDS`] with its fix.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "rules_histories/chaos.rs"]
mod chaos;
#[path = "rules_histories/check.rs"]
mod check;
#[path = "rules_histories/follower.rs"]
mod follower;
#[path = "rules_histories/phone.rs"]
mod phone;
#[path = "rules_histories/plans.rs"]
mod plans;
#[path = "rules_histories/wishes.rs"]
mod wishes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use spotter_actors::{Alone, Claims, Engine, Journal, LocalBackplane, Ports, SimulatedJournal, Tuning};
use spotter_protocol::{Address, GymId, SessionId, UserId};
use tokio::task::JoinSet;
use uuid::Uuid;

use chaos::{Chaos, Fragile};
use follower::Follower;
use phone::{Phone, Told};

/// Histories that are told every time.
const SEEDS: [u64; 6] = [1, 2, 3, 5, 8, 13];
/// Athletes of one history, each with a session of their own; the coach's room comes beside them.
const ATHLETES: u128 = 4;
/// An entity without commands rests after this.
const IDLE: Duration = Duration::from_millis(300);

const GYM: GymId = GymId(Uuid::from_u128(0x67));
const COACH: UserId = UserId(Uuid::from_u128(0xc0));

const fn athlete(k: u128) -> UserId {
    UserId(Uuid::from_u128(0xa0 + k))
}

/// Where commands go. Another kind of entity joins here and in `wishes.rs`.
fn entities() -> Vec<Address> {
    let sessions = (0..ATHLETES).map(|k| Address::session(athlete(k), SessionId(Uuid::from_u128(0x5e0 + k))));
    sessions.chain((0..2).map(athlete).map(Address::inbox)).chain([Address::room(COACH)]).collect()
}

#[test]
fn every_history_is_told_once_and_the_same_to_everybody() {
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let number = |name| std::env::var(name).ok().map(|number| number.parse::<u64>().expect("a number"));
    let mut chance = StdRng::from_rng(&mut rand::rng());
    let fresh = (0..number("SPOTTER_HISTORIES").unwrap_or(0)).map(|_| chance.next_u64());
    let seeds = match number("SPOTTER_HISTORY") {
        Some(seed) => vec![seed],
        None => SEEDS.into_iter().chain(fresh).collect(),
    };
    let mut happened = BTreeSet::new();
    for seed in seeds {
        println!("history {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        happened.extend(runtime.unwrap().block_on(a_history(seed)));
    }
    check::nearly_everything_happened(&happened);
    assert!(counted(&metrics, "spotter_commands_parked_total") > 0, "some met an entity on its way to rest");
    assert!(counted(&metrics, "spotter_actor_restarts_total") > 0, "some activations failed");
    assert!(counted(&metrics, "spotter_entity_rotations_total") > 0, "some streams were followed by others");
}

fn counted(metrics: &PrometheusHandle, name: &str) -> u64 {
    let shown = metrics.render();
    let line = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |count| count.parse().unwrap())
}

/// Plays a history, and answers the kinds of its events.
async fn a_history(seed: u64) -> BTreeSet<String> {
    let mut chance = StdRng::seed_from_u64(seed);
    let journal = Arc::new(SimulatedJournal::default());
    journal.add_workout(GYM, plans::workout());
    journal.set_roster(GYM, COACH, (0..ATHLETES).map(athlete).collect());
    let library = Arc::new(Fragile::new(Arc::clone(&journal)));
    let ports = Ports {
        journal: Arc::clone(&journal) as Arc<dyn Journal>,
        library: Arc::clone(&library) as _,
        backplane: Arc::new(LocalBackplane::default()),
        dead_letters: Arc::clone(&journal) as _,
        clock: Arc::new(chaos::Running::default()),
        peers: Arc::new(Alone),
    };
    let claim = journal.claim(Uuid::from_u128(9));
    let tuning =
        Tuning { idle: IDLE, tick: Duration::from_secs(1), snapshot_every: 20, rotate_every: 25, lanes: 1 };
    let engine = Engine::start(ports, Arc::new(Claims::lasting(&claim)), tuning).await.unwrap();

    let mut phones = JoinSet::new();
    let mut followers = Vec::new();
    for (k, to) in (0..).zip(entities()) {
        followers.push(Follower::of(&engine, to));
        // The owner's own phone begins; a coach's phone comes beside it.
        for (author, client) in [(to.owner, 2 * k + 1), (COACH, 2 * k + 2)] {
            let phone = Phone::new(to, author, client, StdRng::seed_from_u64(chance.next_u64()));
            phones.spawn(phone.train(Arc::clone(&engine)));
        }
    }
    let training = Arc::new(AtomicBool::new(true));
    let chaos = Chaos { engine: Arc::clone(&engine), journal: Arc::clone(&journal), library };
    let chaos = tokio::spawn(chaos.reign(StdRng::seed_from_u64(chance.next_u64()), Arc::clone(&training)));
    let told: Vec<Told> = phones.join_all().await.into_iter().flatten().collect();
    training.store(false, Ordering::Relaxed);
    chaos.await.unwrap();

    check::repeats_are_answered_as_before(&engine, &told).await;
    let told = check::what_was_given_up_is_done_at_last(&engine, told).await;
    check::everything_is_carried(&journal).await;
    check::messages_arrive_once_and_in_order(&journal, athlete(0), athlete(1));
    check::messages_arrive_once_and_in_order(&journal, athlete(1), athlete(0));
    let mut happened = BTreeSet::new();
    for follower in followers {
        let rows = journal.history(GYM, follower.address());
        check::the_journal_tells_one_story(&rows, follower.address(), &told);
        check::the_state_is_its_journal(&engine, follower.address(), &rows).await;
        follower.was_told_of(&engine, &rows).await;
        happened.extend(rows.into_iter().map(|row| row.kind));
    }
    engine.drain().await;
    happened
}
