//! Athletes who log sets, as fast as the engine takes them or at a pace.

#![allow(dead_code, reason = "each bench uses its part")]

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spotter::clock::SystemClock;
use spotter::store::Store;
use spotter_actors::{Alone, Ask, Claim, Claims, Clock, Engine, LocalBackplane, Ports, ReplyTo, Tuning};
use spotter_protocol::{
    Actual, Add, Address, ClientId, Command, CommandFrame, CommandId, Complete, GymId, InstanceId, Load,
    LoadKind, Name, PlannedExercise, PlannedSet, Reps, SessionId, SetId, SetType, Start, Target, Title, Unit,
    UserId,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));
/// Sets of an exercise.
const EXERCISE: u64 = 10;
/// Commands at once; a node admits twice as many.
const UNDER_WAY: usize = 4_096;

/// A worker for each processor but one, which is PostgreSQL's: with a worker for each, its backend and they wait for one
/// another's turns to end, and every batch waits with them.
pub(crate) fn runtime() -> Runtime {
    let processors = std::thread::available_parallelism().unwrap().get();
    Builder::new_multi_thread().worker_threads((processors - 1).max(1)).enable_all().build().unwrap()
}

/// An engine, and athletes who train on it.
pub(crate) struct Floor {
    engine: Arc<Engine>,
    store: Arc<Store>,
    athletes: Vec<UserId>,
    /// Sets of a session, in whole exercises, after which each athlete begins another.
    sets: u64,
    /// Sets that each athlete has logged.
    logged: u64,
}

impl Floor {
    pub(crate) async fn open(store: Store, claim: Claim, lanes: usize, athletes: usize, sets: u64) -> Self {
        let store = Arc::new(store);
        let ports = Ports {
            journal: Arc::clone(&store) as _,
            library: Arc::clone(&store) as _,
            backplane: Arc::new(LocalBackplane::default()),
            dead_letters: Arc::clone(&store) as _,
            clock: Arc::new(SystemClock),
            peers: Arc::new(Alone),
        };
        let tuning = Tuning {
            idle: Duration::from_secs(3600),
            tick: Duration::from_millis(100),
            snapshot_every: 10_000,
            rotate_every: 1_000,
            lanes,
        };
        let engine = Engine::start(ports, Arc::new(Claims::lasting(&claim)), tuning).await.unwrap();
        let athletes = (0..athletes).map(|_| UserId(Uuid::now_v7())).collect();
        Self { engine, store, athletes, sets, logged: 0 }
    }

    /// Every athlete logs so many sets, each once the one before is acknowledged; answers how long that took. The sessions
    /// for them are started and planned before.
    pub(crate) async fn train(&mut self, times: u64) -> Duration {
        let logged = self.prepare(times).await;
        let begun = Instant::now();
        // A task each, as connections are.
        let training: JoinSet<()> = self
            .athletes
            .iter()
            .map(|athlete| {
                let (engine, athlete) = (Arc::clone(&self.engine), *athlete);
                let (plans, sets, logged) = (self.plans(), self.sets, logged.clone());
                async move {
                    for set in logged {
                        let (session, n) = (set / sets, plans + set % sets + 1);
                        acknowledged(&engine, plans, athlete, session, n).await.unwrap();
                    }
                }
            })
            .collect();
        training.join_all().await;
        begun.elapsed()
    }

    /// The athletes in turn log the sets they are prepared for, so many a second all together, whether or not those before
    /// are acknowledged; answers of each when it was due and when it was acknowledged.
    #[allow(clippy::disallowed_methods, reason = "a thread of its own keeps the pace")]
    pub(crate) async fn pace(&self, prepared: Range<u64>, per_second: f64) -> Vec<(Instant, Instant)> {
        let (engine, athletes) = (Arc::clone(&self.engine), self.athletes.clone());
        let (plans, sets) = (self.plans(), self.sets);
        let (done, times) = std::sync::mpsc::channel();
        let runtime = Handle::current();
        std::thread::spawn(move || {
            let _inside = runtime.enter();
            let (begun, mut number) = (Instant::now(), 0.0);
            for set in prepared {
                for athlete in &athletes {
                    let due = begun + Duration::from_secs_f64(number / per_second);
                    number += 1.0;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let done = done.clone();
                    let acknowledged = move || {
                        let _ = done.send((due, Instant::now()));
                    };
                    dispatch(&engine, plans, *athlete, set / sets, plans + set % sets + 1, acknowledged);
                }
            }
        });
        tokio::task::spawn_blocking(move || times.iter().collect()).await.unwrap()
    }

    /// Starts and plans the sessions for so many more sets of each athlete; answers which of theirs these are.
    pub(crate) async fn prepare(&mut self, times: u64) -> Range<u64> {
        let (first, last) = (self.logged, self.logged + times);
        for session in first.div_ceil(self.sets)..last.div_ceil(self.sets) {
            for n in 1..=self.plans() {
                self.command(&self.athletes, session, n).await;
            }
        }
        self.logged = last;
        first..last
    }

    /// Commands of a session before its first set: it starts, and plans its exercises.
    pub(crate) const fn plans(&self) -> u64 {
        1 + self.sets / EXERCISE
    }

    /// The first athletes' `n`th command to a first session, as many at a time as a node admits.
    pub(crate) async fn some(&self, athletes: usize, n: u64) {
        for some in self.athletes[..athletes].chunks(UNDER_WAY) {
            self.command(some, 0, n).await;
        }
    }

    async fn command(&self, athletes: &[UserId], session: u64, n: u64) {
        let command = |athlete: &UserId| acknowledged(&self.engine, self.plans(), *athlete, session, n);
        let answers: Vec<_> = athletes.iter().map(command).collect();
        for answer in answers {
            answer.await.unwrap();
        }
    }

    pub(crate) async fn close(self) {
        self.engine.drain().await;
        self.store.close().await;
    }
}

/// An athlete's `n`th command to a session, whose first `plans` start and plan it: told once it is acknowledged.
fn acknowledged(engine: &Engine, plans: u64, athlete: UserId, session: u64, n: u64) -> oneshot::Receiver<()> {
    let (done, acknowledged) = oneshot::channel();
    dispatch(engine, plans, athlete, session, n, move || {
        let _ = done.send(());
    });
    acknowledged
}

/// The same, which does something else once it is acknowledged.
fn dispatch(
    engine: &Engine,
    plans: u64,
    athlete: UserId,
    session: u64,
    n: u64,
    acknowledged: impl FnOnce() + Send + 'static,
) {
    let session = begun_later(athlete, session);
    let to = Address::session(athlete, session);
    let command: Command = match n {
        1 => Start { workout: None, title: Some(Title::clipped("Bench")) }.into(),
        n if n <= plans => plan(session, n - 2).into(),
        n => a_set(session, n - plans - 1).into(),
    };
    let (id, client) = (CommandId(Uuid::now_v7()), ClientId(athlete.0));
    let frame = CommandFrame { req: n, id, client, n, after: n - 1, at: SystemClock.now(), to, command };
    let reply = ReplyTo::new(move |answer| {
        answer.unwrap();
        acknowledged();
    });
    engine.dispatch(Ask::new(GYM, athlete, frame, 0, SystemClock.now(), reply));
}

/// An athlete's session, named by the time as phones name theirs: each a millisecond after the one before.
fn begun_later(athlete: UserId, session: u64) -> SessionId {
    const MILLISECOND: u128 = 1 << 80;
    SessionId(Uuid::from_u128(athlete.0.as_u128() + u128::from(session) * MILLISECOND))
}

/// An exercise of warm-ups, which make no records.
fn plan(session: SessionId, place: u64) -> Add {
    let target = Target { set_type: SetType::Warmup, ..Target::default() };
    let planned = |n| PlannedSet { set: set(session, n), target: target.clone() };
    let exercise = PlannedExercise {
        instance: InstanceId(set(session, place * EXERCISE).0),
        exercise: "barbell-squat".parse().unwrap(),
        name: Name::clipped("Barbell Squat"),
        load_kind: LoadKind::External,
        group: None,
        sets: (place * EXERCISE..(place + 1) * EXERCISE).map(planned).collect(),
    };
    Add { exercise, place: None }
}

fn a_set(session: SessionId, n: u64) -> Complete {
    let actual =
        Actual { load: Load::new(100_000, Unit::Kg).ok(), reps: Reps::new(5).ok(), ..Actual::default() };
    Complete { set: set(session, n), actual, place: None }
}

fn set(session: SessionId, n: u64) -> SetId {
    SetId::planned(session, 0, n.try_into().unwrap())
}
