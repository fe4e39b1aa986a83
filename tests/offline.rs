//! Phones without signal: an hour fast, they log a whole workout while the coach edits it, and come back three
//! hours later, two hundred of them at once. Every set takes its own place in time, as of the revision that was
//! started, marked late; nothing is refused and no alarm rings, while others go on lifting.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/server.rs"]
mod server;
#[path = "support/wire.rs"]
mod wire;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use server::{Person, Server};
use spotter::db;
use spotter::store::{Database, Store};
use spotter::workouts::Workouts;
use spotter_protocol::{
    Actual, Address, Attention, Badge, ClientFrame, ClientId, Codec, Command, CommandFrame, Complete, Effort,
    EffortScale, EntityView, Fail, Finish, GymId, Hello, InstanceId, LATE_AFTER, Load, LoadKind, Millis,
    Name, Persistence, Phase, PrescribedExercise, RepRange, Reply, Reps, ServerFrame, SessionId, SessionView,
    SetId, SetStatus, Start, Target, Timestamp, Title, Unit, UserId, Workout, WorkoutId, WorkoutRef,
};
use tokio::task::JoinSet;
use uuid::Uuid;
use wire::{Closed, Wire};

const PHONES: usize = 200;
const LIFTERS: usize = 20;
const EXERCISES: usize = 4;
const SETS_EACH: usize = 6;
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
/// How far the phones' clocks are ahead.
const FAST: i64 = HOUR;
/// Between the start of the workout and the return of the signal.
const AWAY: i64 = 3 * HOUR;
/// Between two sets.
const PACE: i64 = 150 * SECOND;
/// How far a time may be off that was corrected by a clock reading taken over a socket.
const CLOCK_ERROR: i64 = 20 * SECOND;
/// Commands a phone has under way at once.
const WINDOW: usize = 16;
/// How often a lifter logs a set.
const BEAT: Duration = Duration::from_millis(100);
/// How long lifters have the server to themselves before the phones come back.
const ALONE: Duration = Duration::from_secs(3);
/// A run that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(120);

fn workout(revision: u32, kilograms: u32) -> Workout {
    let target = Target {
        reps: Some(RepRange { min: Reps::new(5).unwrap(), max: None }),
        load: Load::new(kilograms * 1000, Unit::Kg).ok(),
        effort: Effort::new(EffortScale::Rpe, 70).ok(),
        rest: Some(Millis(120_000)),
        ..Target::default()
    };
    let exercise = |number| PrescribedExercise {
        exercise: format!("lift-{number}").parse().unwrap(),
        name: Name::clipped(&format!("Lift {number}")),
        load_kind: LoadKind::External,
        group: None,
        note: None,
        sets: vec![target.clone(); SETS_EACH],
    };
    Workout {
        id: WorkoutId(Uuid::from_u128(0x0ff)),
        revision,
        title: Title::clipped("Lower A"),
        exercises: (0..EXERCISES).map(exercise).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_phones_come_back_after_three_hours_and_nothing_is_lost_refused_or_alarming() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), &[]);
    let (mut phones, coach) = server.populate("offline", PHONES + LIFTERS).await;
    let lifters = phones.split_off(PHONES);
    let started = wire::now().shifted(-AWAY);
    prescribe(&server, workout(1, 100)).await;
    server.start().await;

    let watching = Arc::new(AtomicBool::new(true));
    let away: HashSet<UserId> = phones.iter().map(|phone| phone.user).collect();
    let coach = tokio::spawn(watch(server.socket(), coach, away, Arc::clone(&watching)));
    let mut lifting = JoinSet::new();
    for lifter in lifters {
        lifting.spawn(lift(server.socket(), lifter, Arc::clone(&watching)));
    }
    tokio::time::sleep(ALONE).await;
    prescribe(&server, workout(2, 140)).await;

    let back = Instant::now();
    let mut syncing = JoinSet::new();
    for phone in phones {
        syncing.spawn(come_back(server.socket(), phone, started));
    }
    let synced =
        tokio::time::timeout(DEADLINE, syncing.join_all()).await.expect("everything is taken in time");
    let took = back.elapsed();
    watching.store(false, Ordering::Relaxed);
    let acks: Vec<(Instant, Duration)> = lifting.join_all().await.into_iter().flatten().collect();
    let tiles = coach.await.unwrap();
    assert_eq!(server.stop().await, Some(0));

    for view in &synced {
        check(view, started);
    }
    assert!(tiles > 0, "the coach has seen the phones come back");
    let p99 = |mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() * 99 / 100]
    };
    let before: Vec<Duration> = acks.iter().filter(|(at, _)| *at < back).map(|(_, took)| *took).collect();
    let during: Vec<Duration> = acks.iter().filter(|(at, _)| *at >= back).map(|(_, took)| *took).collect();
    println!(
        "{} sets of {PHONES} phones in {took:?}; the others' acknowledgements p99 {:?} before ({}), {:?} meanwhile ({})",
        PHONES * EXERCISES * SETS_EACH,
        p99(before.clone()),
        before.len(),
        p99(during.clone()),
        during.len(),
    );
}

/// Stores a revision beside the running server, as the workouts of a gym are.
async fn prescribe(server: &Server, workout: Workout) {
    let store = Store::open(&Database::File(server.data.join("spotter.db"))).await.unwrap();
    let gym = db::query("SELECT id FROM gyms").fetch_one(&store.db().reader).await.unwrap();
    let gym = GymId(gym.get("id").unwrap());
    Workouts::new(store.db()).add(gym, &[workout], wire::now()).await.unwrap();
    store.close().await;
}

/// When the phone's owner did the `number`th thing, by the server's clock.
fn moment(started: Timestamp, number: usize) -> Timestamp {
    started.shifted(PACE * i64::try_from(number).unwrap())
}

/// What a phone has queued: a start, every set (the last one missed, one far too hard), and the finish.
fn queue(session: Address, client: ClientId, started: Timestamp) -> VecDeque<CommandFrame> {
    let id = SessionId(session.id);
    let workout = WorkoutRef { id: workout(1, 100).id, revision: 1 };
    let mut commands: Vec<Command> = vec![Start { workout: Some(workout), title: None }.into()];
    for number in 0..EXERCISES * SETS_EACH {
        let set = SetId::planned(id, number / SETS_EACH, number % SETS_EACH);
        let effort = if number == 3 { 100 } else { 70 };
        let actual = Actual {
            load: Load::new(100_000, Unit::Kg).ok(),
            reps: Reps::new(5).ok(),
            effort: Effort::new(EffortScale::Rpe, effort).ok(),
            ..Actual::default()
        };
        commands.push(match number + 1 == EXERCISES * SETS_EACH {
            false => Complete { set, actual, place: None }.into(),
            true => Fail { set, actual, place: None }.into(),
        });
    }
    commands.push(Finish {}.into());
    let numbered = commands.into_iter().enumerate();
    let frame = |(number, command)| {
        let at = moment(started, number).shifted(FAST);
        CommandFrame { at, ..wire::command(client, number as u64 + 1, session, command) }
    };
    numbered.map(frame).collect()
}

/// A phone finds a signal, hands in its queue and looks at the session.
async fn come_back(url: String, phone: Person, started: Timestamp) -> SessionView {
    let client = ClientId(Uuid::now_v7());
    let session = Address::session(phone.user, SessionId(Uuid::now_v7()));
    let mut wire = Wire::connect(&url, Codec::MsgPack).await.unwrap();
    let (token, clock) = (phone.token.clone(), wire::now().shifted(FAST));
    let hello = Hello { token, client, clock, features: Vec::new(), incarnation: None };
    wire.send(ClientFrame::Hello(hello)).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));

    let mut waiting = queue(session, client, started);
    let mut under_way: BTreeMap<u64, CommandFrame> = BTreeMap::new();
    while !(waiting.is_empty() && under_way.is_empty()) {
        while under_way.len() < WINDOW
            && let Some(command) = waiting.pop_front()
        {
            wire.send(ClientFrame::Command(command.clone())).await.unwrap();
            under_way.insert(command.n, command);
        }
        let ServerFrame::Reply(Reply { req: Some(n), error, .. }) = wire.next().await.unwrap() else {
            panic!("nothing was subscribed to");
        };
        let Some(fault) = error else {
            under_way.remove(&n);
            continue;
        };
        assert_eq!(fault.kind, Persistence::Temporary, "nothing is refused for being late: {fault}");
        let wait = fault.retry_after_ms.map_or(10, |wait| wait.0);
        tokio::time::sleep(Duration::from_millis(wait.into())).await;
        if let Some(again) = under_way.get(&n) {
            wire.send(ClientFrame::Command(again.clone())).await.unwrap();
        }
    }

    wire.subscribe(1, session, None).await.unwrap();
    loop {
        if let ServerFrame::Snapshot(snapshot) = wire.next().await.unwrap() {
            let EntityView::Session(view) = snapshot.state else { panic!("a session shows itself") };
            return view;
        }
    }
}

fn check(view: &SessionView, started: Timestamp) {
    let near = |at: Timestamp, number| {
        let off = at.micros_since(moment(started, number));
        assert!(off.abs() < CLOCK_ERROR, "{number} is off by {off} µs");
    };
    assert_eq!(view.phase, Phase::Finished);
    assert_eq!(view.workout.map(|workout| workout.revision), Some(1), "as of the revision that was started");
    near(view.started_at, 0);
    near(view.finished_at.unwrap(), EXERCISES * SETS_EACH + 1);
    let sets: Vec<_> = view.exercises.iter().flat_map(|exercise| &exercise.sets).collect();
    assert_eq!(sets.len(), EXERCISES * SETS_EACH);
    for (set, number) in sets.iter().zip(1..) {
        let missed = number == sets.len();
        assert_eq!(set.status, if missed { SetStatus::Failed } else { SetStatus::Performed });
        assert_eq!(set.target.as_ref().unwrap().load, Load::new(100_000, Unit::Kg).ok());
        near(set.at.unwrap(), number);
        assert!(set.at.unwrap().is_late(set.received_at.unwrap()), "late by more than {LATE_AFTER:?}");
    }
    assert!(sets.is_sorted_by_key(|set| set.at));
}

/// A coach who watches the wall until told to stop: no tile of `away` ever rings an alarm. Answers how many of
/// their tiles showed a session.
async fn watch(url: String, coach: Person, away: HashSet<UserId>, watching: Arc<AtomicBool>) -> usize {
    let mut wire = Wire::open(&url, &coach.token, ClientId(Uuid::now_v7()), None).await.unwrap();
    wire.subscribe(1, Address::room(coach.user), None).await.unwrap();
    let mut seen = 0;
    while watching.load(Ordering::Relaxed) {
        let Ok(frame) = tokio::time::timeout(BEAT, wire.next()).await else { continue };
        let ServerFrame::Tiles(frame) = frame.unwrap() else { continue };
        for tile in frame.tiles.iter().filter(|tile| away.contains(&tile.athlete)) {
            let quiet = matches!(tile.attention, Attention::Away | Attention::Working | Attention::Resting);
            assert!(quiet, "a late set rings no alarm: {tile:?}");
            if let Some(glance) = &tile.glance {
                seen += 1;
                let silent = glance.badges.iter().all(|badge| *badge == Badge::Late);
                assert!(silent, "a late set wears no other badge: {tile:?}");
            }
        }
    }
    seen
}

/// Somebody in the gym who logs sets until told to stop. Answers when each was sent and how long it took.
async fn lift(url: String, lifter: Person, watching: Arc<AtomicBool>) -> Vec<(Instant, Duration)> {
    let client = ClientId(Uuid::now_v7());
    let session = Address::session(lifter.user, SessionId(Uuid::now_v7()));
    let mut wire = Wire::open(&url, &lifter.token, client, None).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
    let instance = InstanceId(Uuid::now_v7());
    let mut beats = tokio::time::interval(BEAT);
    let mut acks = Vec::new();
    for n in 1.. {
        beats.tick().await;
        if !watching.load(Ordering::Relaxed) {
            break;
        }
        let command: Command = match n {
            1 => Start { workout: None, title: Some(Title::clipped("Open gym")) }.into(),
            _ => wire::a_set(instance).into(),
        };
        let sent = Instant::now();
        answered(&mut wire, wire::command(client, n, session, command)).await.unwrap();
        if n > 1 {
            acks.push((sent, sent.elapsed()));
        }
        // A session holds five hundred sets; nobody here gets that far.
        assert!(n < 500);
    }
    acks
}

async fn answered(wire: &mut Wire, command: CommandFrame) -> Result<(), Closed> {
    wire.send(ClientFrame::Command(command)).await?;
    loop {
        if let ServerFrame::Reply(reply) = wire.next().await? {
            assert_eq!(reply.error, None, "those who train meanwhile are served");
            return Ok(());
        }
    }
}
