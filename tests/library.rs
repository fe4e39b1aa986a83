//! What a store answers to decisions: prescriptions, earlier bests and rosters, each within its gym.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/store.rs"]
mod store;

use std::collections::BTreeSet;

use spotter::db;
use spotter_actors::{Append, EventRow, Journal, Library, Opening, Outcome, Remind};
use spotter_protocol::{
    Address, Bests, ClientId, CommandId, ExerciseId, Grams, GymId, Load, LoadKind, Paused, Phase,
    PrescribedExercise, Reps, SessionEvent, SessionId, SetId, SetStatus, SetType, Stamp, StreamId, Target,
    Timestamp, Title, Unit, UserId, Version, Vocabulary, Workout, WorkoutId, WorkoutRef,
};
use spotter_rules::{BestsRow, Needs, ReadRow, SessionRow, SetRow};
use store::Serving;
use uuid::Uuid;

const GYM: GymId = GymId(Uuid::from_u128(1));
const OTHER_GYM: GymId = GymId(Uuid::from_u128(2));
const ATHLETE: UserId = UserId(Uuid::from_u128(0xa));
const COACH: UserId = UserId(Uuid::from_u128(0xc));
const TODAY: Address = Address::session(ATHLETE, SessionId(Uuid::from_u128(100)));
const NOW: Timestamp = Timestamp(1_000);

/// Each test on a file and on a server, while the sessions in it are running and when they are at rest.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod on_a_file {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::a_library(super::store::on_file().await, super::Phase::Live).await).await;
                super::$test(super::a_library(super::store::on_file().await, super::Phase::Finished).await).await;
            })*
        }

        mod on_a_server {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::a_library(super::store::on_server().await, super::Phase::Paused).await).await;
                super::$test(super::a_library(super::store::on_server().await, super::Phase::Abandoned).await).await;
            })*
        }
    };
}

on_both! {
    bests_are_the_heaviest_the_strongest_and_the_most_for_each_number_of_repetitions
    absent_entries_at_the_end_are_left_out
    what_does_not_count_makes_no_best
    a_question_may_name_an_earlier_moment
    several_sessions_and_exercises_are_asked_for_at_once
    a_session_that_runs_again_is_asked_set_by_set
    a_workout_brings_the_bests_of_its_exercises_and_stays_in_its_gym
    a_roster_is_the_active_links_that_let_the_coach_see_sessions
    the_roster_of_a_gym_is_every_athlete_of_it_and_of_no_other
}

async fn bests_are_the_heaviest_the_strongest_and_the_most_for_each_number_of_repetitions(library: Stocked) {
    library.log(1, vec![a_set(100, 5), a_set(120, 2), a_set(90, 12), a_set(95, 6)]).await;

    let [bests] = library.bests(&["back-squat"]).await.try_into().unwrap();

    assert_eq!(bests.heaviest, Some(kg(120)));
    assert_eq!(bests.e1rm, Some(Grams(128_000)));
    let per_reps = [120, 120, 100, 100, 100, 95, 90, 90, 90, 90];
    assert_eq!(bests.rep_max, per_reps.map(kg));
}

async fn absent_entries_at_the_end_are_left_out(library: Stocked) {
    library.log(1, vec![a_set(100, 3)]).await;

    let [bests] = library.bests(&["back-squat"]).await.try_into().unwrap();

    assert_eq!(bests.rep_max, [kg(100); 3]);
}

async fn what_does_not_count_makes_no_best(library: Stocked) {
    let heavier = || a_set(200, 5);
    let uncounted = vec![
        a_set(100, 5),
        SetRow { set_type: SetType::Warmup, ..heavier() },
        SetRow { status: SetStatus::Failed, ..heavier() },
        SetRow { status: SetStatus::Voided, ..heavier() },
        SetRow { load_kind: LoadKind::Assisted, ..heavier() },
        SetRow { load_kind: LoadKind::Bodyweight, ..heavier() },
        SetRow { exercise: slug("front-squat"), ..heavier() },
        // Not before the moment that is asked for.
        SetRow { at: NOW, ..heavier() },
    ];
    library.log(1, uncounted).await;
    library.log(TODAY.id.as_u128(), vec![heavier()]).await;
    library.log_for(UserId(Uuid::from_u128(0xb)), 1, vec![heavier()]).await;

    let [bests] = library.bests(&["back-squat"]).await.try_into().unwrap();

    assert_eq!(bests.heaviest, Some(kg(100)));
    assert_eq!(library.bests(&["deadlift"]).await, []);
}

async fn a_question_may_name_an_earlier_moment(library: Stocked) {
    library.log(1, vec![SetRow { at: Timestamp(10), ..a_set(100, 5) }, a_set(200, 5)]).await;

    let needs = Needs { bests: vec![slug("back-squat")], before: Some(Timestamp(11)), ..Needs::default() };
    let brief = library.0.store.brief(GYM, TODAY, &needs, NOW).await.unwrap();

    assert_eq!(brief.bests[0].heaviest, Some(kg(100)));
}

async fn several_sessions_and_exercises_are_asked_for_at_once(library: Stocked) {
    let bench = |set: SetRow| SetRow { exercise: slug("bench-press"), ..set };
    library.log(1, vec![a_set(100, 5), bench(a_set(60, 8))]).await;
    library.log(2, vec![a_set(110, 2), a_set(90, 8)]).await;
    library.log_in(Phase::Live, ATHLETE, 3, vec![bench(a_set(70, 4))]).await;
    library.log_in(Phase::Finished, ATHLETE, 4, vec![a_set(95, 7), bench(a_set(65, 5))]).await;

    let [squats, presses] = library.bests(&["bench-press", "back-squat"]).await.try_into().unwrap();

    assert_eq!(presses.rep_max, [70, 70, 70, 70, 65, 60, 60, 60].map(kg));
    assert_eq!(squats.rep_max, [110, 110, 100, 100, 100, 95, 95, 90].map(kg));
    assert_eq!((squats.heaviest, squats.e1rm), (Some(kg(110)), Some(Grams(117_333))));
}

async fn a_session_that_runs_again_is_asked_set_by_set(library: Stocked) {
    let session = SessionId(Uuid::from_u128(1));
    let as_it_was = bests_of(session, &[a_set(120, 5)]);
    let now = SetRow { session, ..a_set(100, 5) };
    let rows = as_it_was.into_iter().chain([ReadRow::Set(now), a_session(session, Phase::Live)]);
    library.write(ATHLETE, session, rows.collect()).await;

    let [bests] = library.bests(&["back-squat"]).await.try_into().unwrap();

    assert_eq!(bests.heaviest, Some(kg(100)));
}

async fn a_workout_brings_the_bests_of_its_exercises_and_stays_in_its_gym(library: Stocked) {
    let workout = a_workout(2);
    library.keep(&a_workout(1)).await;
    library.keep(&workout).await;
    library.log(1, vec![a_set(100, 5)]).await;

    let needs = Needs { workout: Some(workout.reference()), ..Needs::default() };
    let brief = library.0.store.brief(GYM, TODAY, &needs, NOW).await.unwrap();
    let elsewhere = library.0.store.brief(OTHER_GYM, TODAY, &needs, NOW).await.unwrap();
    let missing = WorkoutRef { revision: 3, ..workout.reference() };
    let missing = Needs { workout: Some(missing), ..Needs::default() };
    let missing = library.0.store.brief(GYM, TODAY, &missing, NOW).await.unwrap();

    assert_eq!(brief.workout, Some(workout));
    assert_eq!(brief.bests[0].heaviest, Some(kg(100)));
    assert_eq!(elsewhere, Default::default());
    assert_eq!(missing, Default::default());
}

async fn a_roster_is_the_active_links_that_let_the_coach_see_sessions(library: Stocked) {
    let [seen, also_seen, invited, ended, unseen, foreign] = [1, 2, 3, 4, 5, 6].map(|n| user(0x100 + n));
    for athlete in [seen, also_seen, invited, ended, unseen] {
        library.user(GYM, athlete).await;
    }
    library.user(OTHER_GYM, foreign).await;
    library.link(seen, "active", "view_sessions").await;
    library.link(also_seen, "active", "message,view_sessions,log_sets").await;
    library.link(invited, "invited", "view_sessions").await;
    library.link(ended, "ended", "view_sessions").await;
    library.link(unseen, "active", "message,log_sets").await;
    library.link(foreign, "active", "view_sessions").await;

    let needs = Needs { roster: true, ..Needs::default() };
    let brief = library.0.store.brief(GYM, Address::room(COACH), &needs, NOW).await.unwrap();

    assert_eq!(library.0.store.roster(GYM, COACH).await.unwrap(), [seen, also_seen]);
    assert_eq!(brief.roster, [seen, also_seen]);
    assert_eq!(library.0.store.roster(OTHER_GYM, COACH).await.unwrap(), []);
    assert_eq!(library.0.store.roster(GYM, seen).await.unwrap(), []);
}

async fn the_roster_of_a_gym_is_every_athlete_of_it_and_of_no_other(library: Stocked) {
    let [ana, ben, foreign] = [1, 2, 3].map(|n| user(0x100 + n));
    library.user(GYM, ana).await;
    library.user(GYM, ben).await;
    library.user(OTHER_GYM, foreign).await;

    let shared = |gym: GymId| UserId(gym.0);
    assert_eq!(library.0.store.roster(GYM, shared(GYM)).await.unwrap(), [ana, ben]);
    assert_eq!(library.0.store.roster(OTHER_GYM, shared(OTHER_GYM)).await.unwrap(), [foreign]);
    assert_eq!(library.0.store.roster(GYM, shared(OTHER_GYM)).await.unwrap(), []);
}

/// Two gyms, and a coach in the first. Sessions are in this phase unless another is given.
struct Stocked(Serving, Phase);

async fn a_library(serving: Serving, phase: Phase) -> Stocked {
    let library = Stocked(serving, phase);
    for (gym, slug) in [(GYM, "iron"), (OTHER_GYM, "steel")] {
        let insert = db::query("INSERT INTO gyms (id, slug, name, created_at) VALUES ($1, $2, 'A gym', 0)");
        insert.bind(gym.0).bind(slug).execute(&library.0.store.db().writer).await.unwrap();
    }
    library.user(GYM, COACH).await;
    library
}

impl Stocked {
    async fn bests(&self, exercises: &[&str]) -> Vec<Bests> {
        let needs = Needs { bests: exercises.iter().map(|name| slug(name)).collect(), ..Needs::default() };
        self.0.store.brief(GYM, TODAY, &needs, NOW).await.unwrap().bests
    }

    async fn log(&self, session: u128, sets: Vec<SetRow>) {
        self.log_for(ATHLETE, session, sets).await;
    }

    async fn log_for(&self, owner: UserId, session: u128, sets: Vec<SetRow>) {
        self.log_in(self.1, owner, session, sets).await;
    }

    async fn log_in(&self, phase: Phase, owner: UserId, session: u128, sets: Vec<SetRow>) {
        let session = SessionId(Uuid::from_u128(session));
        let bests = if phase.is_running() { Vec::new() } else { bests_of(session, &sets) };
        let numbered = (0..).zip(sets);
        let sets = numbered
            .map(|(n, set)| ReadRow::Set(SetRow { session, set: SetId::planned(session, 0, n), ..set }));
        self.write(owner, session, sets.chain([a_session(session, phase)]).chain(bests).collect()).await;
    }

    async fn write(&self, owner: UserId, session: SessionId, rows: Vec<ReadRow>) {
        let address = Address::session(owner, session);
        let append = Append {
            gym: GYM,
            address,
            stream: StreamId(Uuid::new_v4()),
            opening: Opening::Entity,
            epoch: self.0.claim.epoch(address.shard()).unwrap(),
            events: vec![an_event(owner)],
            rows,
            letters: Vec::new(),
            carried: Vec::new(),
            reminder: Remind::Keep,
        };
        assert_eq!(self.0.store.commit(self.0.claim.node, &[append]).await.unwrap(), [Outcome::Committed]);
    }

    async fn keep(&self, workout: &Workout) {
        let insert = "INSERT INTO workouts (gym, id, revision, title, body, created_at) VALUES ($1, $2, $3, $4, $5, 0)";
        let insert = db::query(insert).bind(GYM.0).bind(workout.id.0).bind(workout.revision);
        let insert = insert.bind(workout.title.as_str()).bind(serde_json::to_string(workout).unwrap());
        insert.execute(&self.0.store.db().writer).await.unwrap();
    }

    async fn user(&self, gym: GymId, user: UserId) {
        let insert =
            "INSERT INTO users (id, gym, email, name, role, created_at) VALUES ($1, $2, $3, 'A name', $4, 0)";
        let role = if user == COACH { "coach" } else { "athlete" };
        let insert = db::query(insert).bind(user.0).bind(gym.0).bind(user.to_string());
        insert.bind(role).execute(&self.0.store.db().writer).await.unwrap();
    }

    async fn link(&self, athlete: UserId, state: &str, permissions: &str) {
        let insert = "INSERT INTO links (id, gym, coach, athlete, state, permissions, created_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, 0)";
        let insert = db::query(insert).bind(Uuid::new_v4()).bind(GYM.0).bind(COACH.0);
        let insert = insert.bind(athlete.0).bind(state).bind(permissions);
        insert.execute(&self.0.store.db().writer).await.unwrap();
    }
}

/// A performed working set; its estimate is the load and an arbitrary fifteenth.
fn a_set(kilograms: u32, reps: u32) -> SetRow {
    SetRow {
        session: SessionId(Uuid::nil()),
        set: SetId(Uuid::nil()),
        exercise: slug("back-squat"),
        load_kind: LoadKind::External,
        set_type: SetType::Working,
        status: SetStatus::Performed,
        at: Timestamp(500),
        received_at: Timestamp(500),
        load: Some(Load::new(kilograms * 1000, Unit::Kg).unwrap()),
        reps: Some(Reps::new(reps).unwrap()),
        seconds: None,
        metres: None,
        rpe_tenths: None,
        e1rm: (reps <= 10).then(|| Grams(kilograms * 1000 * 16 / 15)),
        fresh: true,
    }
}

fn a_session(session: SessionId, phase: Phase) -> ReadRow {
    ReadRow::Session(SessionRow {
        session,
        phase,
        title: Title::clipped("Leg day"),
        workout: None,
        started_at: Timestamp(1),
        finished_at: None,
        version: Version(1),
        done: 0,
        total: 0,
        volume_g: 0,
    })
}

/// What a session at rest says it did of each exercise.
fn bests_of(session: SessionId, sets: &[SetRow]) -> Vec<ReadRow> {
    let exercises: BTreeSet<&ExerciseId> = sets.iter().map(|set| &set.exercise).collect();
    let best = |exercise: &ExerciseId| {
        let counts = |set: &&SetRow| {
            let is_whole = !matches!(set.load_kind, LoadKind::Assisted | LoadKind::Bodyweight);
            let is_done = set.status == SetStatus::Performed && set.set_type != SetType::Warmup;
            set.exercise == *exercise && is_whole && is_done
        };
        let sets: Vec<&SetRow> = sets.iter().filter(counts).collect();
        let load = |set: &&SetRow| set.load.unwrap().grams();
        let for_reps = |least| sets.iter().filter(|set| set.reps.unwrap().get() >= least).map(load).max();
        let bests = Bests {
            exercise: exercise.clone(),
            heaviest: sets.iter().map(load).max(),
            e1rm: sets.iter().filter_map(|set| set.e1rm).max(),
            rep_max: (1..=10).map_while(for_reps).collect(),
        };
        let at = || sets.iter().map(|set| set.at);
        ReadRow::Bests(BestsRow { session, bests, span: at().min().zip(at().max()) })
    };
    exercises.into_iter().map(best).collect()
}

fn a_workout(revision: u32) -> Workout {
    let exercise = PrescribedExercise {
        exercise: slug("back-squat"),
        name: spotter_protocol::Name::clipped("Back squat"),
        load_kind: LoadKind::External,
        group: None,
        note: None,
        sets: vec![Target::default(); 3],
    };
    Workout {
        id: WorkoutId(Uuid::from_u128(0x3)),
        revision,
        title: Title::clipped(&format!("Lower body {revision}")),
        exercises: vec![exercise],
    }
}

fn an_event(author: UserId) -> EventRow {
    let event = SessionEvent::from(Paused { effective: true });
    let stamp = Stamp {
        at: NOW,
        received_at: NOW,
        device_at: NOW,
        offset: 0,
        author,
        command: CommandId(Uuid::new_v4()),
        client: ClientId(Uuid::from_u128(5)),
        n: 1,
    };
    EventRow {
        version: Version(1),
        stamp,
        kind: SessionEvent::name(event.kind()).to_owned(),
        schema: 1,
        body: event.body_to_msgpack().unwrap(),
    }
}

fn kg(kilograms: u32) -> Grams {
    Grams(kilograms * 1000)
}

fn slug(name: &str) -> ExerciseId {
    name.parse().unwrap()
}

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}
