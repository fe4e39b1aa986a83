//! Athletes who log sets as fast as the engine takes them.

#![allow(dead_code, reason = "each bench uses its part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use spotter::clock::SystemClock;
use spotter::store::Store;
use spotter_actors::{Ask, Claim, Clock, Engine, LocalBackplane, Ports, ReplyTo, Tuning};
use spotter_protocol::{
    Actual, Address, ClientId, Command, CommandFrame, CommandId, Complete, GymId, InstanceId, Load, LoadKind,
    Name, Place, Reps, SessionId, SetId, SetType, Start, Title, Unit, UserId,
};
use tokio::sync::oneshot;
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));
/// Sets of a session, after which each athlete begins another.
const SETS_MAX: u64 = 100;
/// Commands at once; a node admits twice as many.
const UNDER_WAY: usize = 4_096;

/// An engine, and a session for each athlete.
pub(crate) struct Floor {
    engine: Arc<Engine>,
    store: Arc<Store>,
    athletes: Vec<UserId>,
    turn: AtomicU64,
}

impl Floor {
    pub(crate) async fn open(store: Store, claim: Claim, lanes: usize, athletes: usize) -> Self {
        let store = Arc::new(store);
        let ports = Ports {
            journal: Arc::clone(&store) as _,
            library: Arc::clone(&store) as _,
            backplane: Arc::new(LocalBackplane::default()),
            dead_letters: Arc::clone(&store) as _,
            clock: Arc::new(SystemClock),
        };
        let tuning = Tuning {
            idle: Duration::from_secs(3600),
            tick: Duration::from_millis(100),
            snapshot_every: 10_000,
            rotate_every: 1_000,
            lanes,
        };
        let engine = Engine::start(ports, claim, tuning).await.unwrap();
        let athletes = (0..athletes).map(|_| UserId(Uuid::now_v7())).collect();
        Self { engine, store, athletes, turn: AtomicU64::new(0) }
    }

    /// Every athlete logs a set, so many times; starts of sessions are not timed.
    pub(crate) async fn train(&self, times: u64) -> Duration {
        let mut trained = Duration::ZERO;
        for _ in 0..times {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            if turn.is_multiple_of(SETS_MAX) {
                self.all(turn, 1).await;
            }
            let begun = Instant::now();
            self.all(turn, turn % SETS_MAX + 2).await;
            trained += begun.elapsed();
        }
        trained
    }

    /// Every athlete's `n`th command to the session of that turn.
    async fn all(&self, turn: u64, n: u64) {
        self.command(&self.athletes, turn / SETS_MAX, n).await;
    }

    /// The first athletes' `n`th command to a first session, as many at a time as a node admits.
    pub(crate) async fn some(&self, athletes: usize, n: u64) {
        for some in self.athletes[..athletes].chunks(UNDER_WAY) {
            self.command(some, 0, n).await;
        }
    }

    async fn command(&self, athletes: &[UserId], session: u64, n: u64) {
        let answers: Vec<_> = athletes.iter().map(|athlete| self.dispatch(*athlete, session, n)).collect();
        for answer in answers {
            answer.await.unwrap();
        }
    }

    fn dispatch(&self, athlete: UserId, session: u64, n: u64) -> oneshot::Receiver<()> {
        let to = Address::session(athlete, SessionId(Uuid::new_v5(&athlete.0, &session.to_be_bytes())));
        let command: Command = match n {
            1 => Start { workout: None, title: Some(Title::clipped("Bench")) }.into(),
            _ => a_set(to).into(),
        };
        let (id, client) = (CommandId(Uuid::now_v7()), ClientId(athlete.0));
        let frame = CommandFrame { req: n, id, client, n, after: n - 1, at: SystemClock.now(), to, command };
        let (done, answer) = oneshot::channel();
        let reply = ReplyTo::new(move |answer| {
            answer.unwrap();
            let _ = done.send(());
        });
        self.engine.dispatch(Ask::new(GYM, athlete, frame, 0, SystemClock.now(), reply));
        answer
    }

    pub(crate) async fn close(self) {
        self.engine.drain().await;
        self.store.close().await;
    }
}

fn a_set(session: Address) -> Complete {
    let actual =
        Actual { load: Load::new(100_000, Unit::Kg).ok(), reps: Reps::new(5).ok(), ..Actual::default() };
    let place = Place {
        instance: InstanceId(session.id),
        exercise: "barbell-squat".parse().unwrap(),
        name: Name::clipped("Barbell Squat"),
        load_kind: LoadKind::External,
        set_type: SetType::Warmup,
    };
    Complete { set: SetId(Uuid::now_v7()), actual, place: Some(place) }
}
