//! The formulas on training that really happened: every number stands beside the rule it follows, and is
//! computed twice, once by a [`Session`] and once plainly over the file.

#![expect(clippy::unwrap_used, reason = "a log that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use serde::Deserialize;
use spotter_protocol::{
    Actual, Bests, ClientId, CommandId, Complete, EntityView, ExerciseId, Grams, InstanceId, Load, LoadKind,
    Metres, Name, Place, PrKind, Recorded, Reps, Seconds, SessionCommand, SessionEvent, SetId, SetType,
    Start, Timestamp, Title, Unit, UserId, View,
};
use spotter_rules::{Ask, Brief, Entity, Rules, Session, Verdict, e1rm};
use uuid::Uuid;

/// A set of a log, in our words.
#[derive(Clone, Debug)]
struct Row {
    exercise: ExerciseId,
    load_kind: LoadKind,
    set_type: SetType,
    actual: Actual,
}

/// A workout of a log: its start in the file's own local time, and its sets in the order of the file.
#[derive(Clone, Debug)]
struct Training {
    start: Timestamp,
    rows: Vec<Row>,
}

impl Row {
    fn load(&self) -> u32 {
        self.actual.load.map_or(0, |load| load.grams().0)
    }

    fn reps(&self) -> u16 {
        self.actual.reps.map_or(0, Reps::get)
    }

    fn says_something(&self) -> bool {
        self.actual.reps.is_some() || self.actual.seconds.is_some() || self.actual.metres.is_some()
    }

    /// A record's set by the rule of sessions: not a warm-up, a load above zero that is external, per hand or
    /// a stack, 1 to 10 repetitions.
    fn is_eligible(&self) -> bool {
        let whole = matches!(self.load_kind, LoadKind::External | LoadKind::PerHand | LoadKind::Stack);
        whole && self.set_type != SetType::Warmup && self.load() > 0 && (1..=10).contains(&self.reps())
    }

    /// Repetitions times load in grams, of anything but warm-ups; both hands.
    fn volume(&self) -> u64 {
        let whole = match self.load_kind {
            LoadKind::External | LoadKind::Stack => 1,
            LoadKind::PerHand => 2,
            LoadKind::Bodyweight | LoadKind::Assisted | LoadKind::None => 0,
        };
        let counts = u64::from(self.set_type != SetType::Warmup);
        u64::from(self.load()) * u64::from(self.reps()) * whole * counts
    }
}

// Hevy

#[derive(Deserialize)]
struct HevyRow {
    start_time: String,
    exercise_title: String,
    set_type: String,
    weight_kg: Option<f64>,
    reps: Option<u32>,
    distance_km: Option<f64>,
    duration_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Movement {
    title: String,
    id: String,
    load: LoadKind,
}

/// The Hevy export, oldest workout first. The file has the newest first, and each workout's sets in order.
fn hevy() -> Vec<Training> {
    let movements: Vec<Movement> =
        serde_json::from_str(&std::fs::read_to_string(data("hevy-exercises.json")).unwrap()).unwrap();
    let movements: HashMap<&str, &Movement> =
        movements.iter().map(|movement| (movement.title.as_str(), movement)).collect();
    let mut trainings: BTreeMap<Timestamp, Vec<Row>> = BTreeMap::new();
    for row in csv::Reader::from_path(data("hevy-export.csv")).unwrap().deserialize() {
        let row: HevyRow = row.unwrap();
        let movement = movements[row.exercise_title.as_str()];
        let set_type = match row.set_type.as_str() {
            "warmup" => SetType::Warmup,
            "normal" => SetType::Working,
            "failure" => SetType::Failure,
            "dropset" => SetType::Dropset,
            other => panic!("unknown set type {other}"),
        };
        let actual = Actual {
            load: row.weight_kg.map(kilograms),
            reps: row.reps.map(|reps| Reps::new(reps).unwrap()),
            seconds: row.duration_seconds.filter(|s| *s > 0).map(|s| Seconds::new(s).unwrap()),
            metres: row.distance_km.filter(|km| *km > 0.0).map(|km| Metres::new(whole(km * 1000.0)).unwrap()),
            ..Actual::default()
        };
        let exercise = movement.id.parse().unwrap();
        let row_of = Row { exercise, load_kind: movement.load, set_type, actual };
        trainings.entry(hevy_time(&row.start_time)).or_default().push(row_of);
    }
    trainings.into_iter().map(|(start, rows)| Training { start, rows }).collect()
}

/// `15 Sep 2025, 07:48`
fn hevy_time(text: &str) -> Timestamp {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let parts: Vec<&str> = text.split([' ', ',', ':']).filter(|part| !part.is_empty()).collect();
    let [day, month, year, hour, minute] = parts[..] else { panic!("no time: {text}") };
    let month = MONTHS.iter().position(|name| *name == month).unwrap() as i64 + 1;
    moment([year.parse().unwrap(), month, day.parse().unwrap(), hour.parse().unwrap()], minute, "0")
}

// Strong

/// A Strong export by the names of its columns, which differ by dialect; oldest workout first. `Rest Timer`
/// and `Note` are no sets. Warm-ups are `W`; drop and failure sets count.
fn strong(file: &str, delimiter: u8) -> Vec<Training> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_path(data(file)).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |names: &[&str]| headers.iter().position(|header| names.contains(&header));
    let (weight, metres) = (column(&["Weight (kg)", "Weight"]), column(&["Distance (meters)", "Distance"]));
    let [date, exercise, order, reps, seconds] =
        ["Date", "Exercise Name", "Set Order", "Reps", "Seconds"].map(|name| column(&[name]));
    let mut trainings: BTreeMap<Timestamp, Vec<Row>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.unwrap();
        let cell = |column: Option<usize>| record.get(column.unwrap()).unwrap();
        let number = |column| cell(column).parse::<f64>().ok().filter(|number| *number > 0.0);
        let set_type = match cell(order) {
            "Rest Timer" | "Note" => continue,
            "W" => SetType::Warmup,
            "D" => SetType::Dropset,
            "F" => SetType::Failure,
            digits => digits.parse::<u32>().map(|_| SetType::Working).unwrap(),
        };
        let actual = Actual {
            load: number(weight).map(kilograms),
            reps: number(reps).map(|reps| Reps::new(whole(reps)).unwrap()),
            seconds: number(seconds).map(|seconds| Seconds::new(whole(seconds)).unwrap()),
            metres: number(metres).map(|metres| Metres::new(whole(metres)).unwrap()),
            ..Actual::default()
        };
        let row = Row { exercise: slug(cell(exercise)), load_kind: LoadKind::External, set_type, actual };
        trainings.entry(strong_time(cell(date))).or_default().push(row);
    }
    trainings.into_iter().map(|(start, rows)| Training { start, rows }).collect()
}

/// `2025-02-24 15:10:32`
fn strong_time(text: &str) -> Timestamp {
    let parts: Vec<&str> = text.split(['-', ' ', ':']).collect();
    let [year, month, day, hour, minute, second] = parts[..] else { panic!("no time: {text}") };
    moment([year, month, day, hour].map(|part| part.parse().unwrap()), minute, second)
}

/// Days since 1970 by the civil calendar (Hinnant 2013), then the time of day.
fn moment([year, month, day, hour]: [i64; 4], minute: &str, second: &str) -> Timestamp {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    let minutes = hour * 60 + minute.parse::<i64>().unwrap();
    Timestamp(((days * 24 * 60 + minutes) * 60 + second.parse::<i64>().unwrap()) * 1_000_000)
}

fn data(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../data").join(file)
}

fn kilograms(kg: f64) -> Load {
    Load::new(whole(kg * 1000.0), Unit::Kg).unwrap()
}

fn whole(number: f64) -> u32 {
    number.round() as u32
}

fn slug(name: &str) -> ExerciseId {
    let dashed: String =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    dashed.chars().take(64).collect::<String>().parse().unwrap()
}

// Sessions

/// One training logged set by set, ad hoc, a minute apart, arriving in the order of `arrivals`.
struct Logged {
    entity: Entity<Session>,
    journal: Vec<Recorded<SessionEvent>>,
}

fn set_id(row: usize) -> SetId {
    SetId(Uuid::from_u128(row as u128 + 1))
}

fn log(training: &Training, bests: &[Bests], arrivals: impl Iterator<Item = usize>) -> Logged {
    let mut logged = Logged { entity: Entity::default(), journal: Vec::new() };
    let start = Start { workout: None, title: Some(Title::clipped("Training")) };
    logged.tell(training.start, training.start, &start.into(), bests);
    let end = training.start.shifted(training.rows.len() as i64 * 60_000_000);
    for number in arrivals {
        let row = &training.rows[number];
        // One instance for each movement: the files tell sets apart by movement only.
        let instance = training.rows.iter().position(|other| other.exercise == row.exercise).unwrap();
        let place = Place {
            instance: InstanceId(Uuid::from_u128(instance as u128)),
            exercise: row.exercise.clone(),
            name: Name::clipped(row.exercise.as_str()),
            load_kind: row.load_kind,
            set_type: row.set_type,
        };
        let complete = Complete { set: set_id(number), actual: row.actual.clone(), place: Some(place) };
        logged.tell(training.start.shifted(number as i64 * 60_000_000), end, &complete.into(), bests);
    }
    logged
}

impl Logged {
    fn tell(&mut self, at: Timestamp, received_at: Timestamp, command: &SessionCommand, bests: &[Bests]) {
        let n = self.journal.len() as u64 + 1;
        let me = Uuid::from_u128(7);
        let ask = Ask {
            owner: UserId(me),
            id: me,
            command,
            command_id: CommandId(Uuid::from_u128(u128::from(n))),
            author: UserId(me),
            client: ClientId(me),
            n,
            after: 0,
            device_at: at,
            offset: 0,
            received_at,
        };
        let needs = self.entity.state().needs(command);
        let known = bests.iter().filter(|bests| needs.bests.contains(&bests.exercise)).cloned();
        let brief = Brief { bests: known.collect(), ..Brief::default() };
        let verdict = self.entity.judge(&ask, &brief);
        let Verdict::Accept(events) = verdict else { panic!("{command:?}: {verdict:?}") };
        self.entity = self.entity.after(&events);
        self.journal.extend(events);
    }

    /// The records that stand at the end, by set and kind, each with its value and the one it beat.
    fn records(&self) -> BTreeMap<(SetId, PrKind), (u32, u32)> {
        let mut records = BTreeMap::new();
        for recorded in &self.journal {
            if let SessionEvent::Pr(pr) = &recorded.event {
                let before = records.insert((pr.set, pr.record), (pr.g.0, pr.previous_g.0));
                assert_eq!(before, None, "a record is announced once");
            } else if let SessionEvent::PrWithdrawn(gone) = &recorded.event {
                assert!(records.remove(&(gone.set, gone.record)).is_some(), "withdrawn once");
            }
        }
        records
    }

    fn volume(&self) -> u64 {
        match self.entity.state().view(View::Athlete) {
            Some(EntityView::Session(view)) => view.volume_g,
            other => panic!("no session: {other:?}"),
        }
    }
}

// The plain computation

/// Epley in floating point, to whole grams.
fn epley(load: u32, reps: u16) -> u32 {
    let estimate = if reps == 1 { f64::from(load) } else { f64::from(load) * (1.0 + f64::from(reps) / 30.0) };
    // Thirtieths of a gram are never within 1e-6 of a half unless they are one.
    (estimate + 0.5 + 1e-6).floor() as u32
}

/// Everything lifted so far in each movement: load and repetitions.
type Past = BTreeMap<ExerciseId, Vec<(u32, u16)>>;

fn bests(past: &Past) -> Vec<Bests> {
    let of = |(exercise, lifts): (&ExerciseId, &Vec<(u32, u16)>)| {
        let rep_max = (1..=10).map_while(|reps| heaviest(lifts, reps)).map(Grams).collect();
        let e1rm = lifts.iter().map(|(load, reps)| epley(*load, *reps)).max();
        Bests {
            exercise: exercise.clone(),
            heaviest: heaviest(lifts, 1).map(Grams),
            e1rm: e1rm.map(Grams),
            rep_max,
        }
    };
    past.iter().map(of).collect()
}

/// The heaviest load for at least so many repetitions.
fn heaviest(lifts: &[(u32, u16)], reps: u16) -> Option<u32> {
    lifts.iter().filter(|(_, done)| *done >= reps).map(|(load, _)| *load).max()
}

/// The records of a training against the past, which it then joins.
fn plain_records(training: &Training, past: &mut Past) -> BTreeMap<(SetId, PrKind), (u32, u32)> {
    let mut records = BTreeMap::new();
    for (number, row) in training.rows.iter().enumerate().filter(|(_, row)| row.is_eligible()) {
        let lifts = past.entry(row.exercise.clone()).or_default();
        let (load, reps) = (row.load(), row.reps());
        let tried = [
            (PrKind::Heaviest, load, heaviest(lifts, 1)),
            (PrKind::RepMax, load, heaviest(lifts, reps)),
            (PrKind::E1rm, epley(load, reps), lifts.iter().map(|(load, reps)| epley(*load, *reps)).max()),
        ];
        for (kind, value, best) in tried {
            if let Some(best) = best.filter(|best| value > *best) {
                records.insert((set_id(number), kind), (value, best));
            }
        }
        lifts.push((load, reps));
    }
    records
}

#[test]
fn the_hevy_export_has_384_estimated_records_in_76_lifts() {
    let trainings = hevy();
    assert_eq!(trainings.len(), 335, "workouts, told apart by their start");
    assert_eq!(trainings.iter().map(|training| training.rows.len()).sum::<usize>(), 7_211, "sets");

    // The rule of this count: 1 to 12 repetitions, weight above zero, not a warm-up, whatever the kind of
    // load. It is wider than that of announced records, which takes 1 to 10 repetitions of whole loads.
    let rows = trainings.iter().flat_map(|training| &training.rows);
    let eligible: Vec<&Row> = rows
        .filter(|row| row.set_type != SetType::Warmup && row.load() > 0 && (1..=12).contains(&row.reps()))
        .collect();
    assert_eq!(eligible.len(), 3_348);
    let lifts: BTreeSet<&ExerciseId> = eligible.iter().map(|row| &row.exercise).collect();
    assert_eq!(lifts.len(), 76);

    // Oldest workout first, sets of a workout in the order of the file; a lift's first set is a baseline, a
    // tie is no record; Epley in whole grams.
    let mut best: HashMap<&ExerciseId, Grams> = HashMap::new();
    let mut records = 0;
    for row in eligible {
        let estimate = e1rm(Grams(row.load()), row.actual.reps.unwrap()).unwrap().grams;
        assert_eq!(estimate.0, epley(row.load(), row.reps()));
        let before = best.entry(&row.exercise).or_insert(estimate);
        records += u32::from(estimate > *before);
        *before = estimate.max(*before);
    }
    assert_eq!(records, 384);
}

#[test]
fn sessions_announce_the_records_that_a_plain_count_over_the_hevy_export_finds() {
    let mut past = Past::new();
    let mut announced: BTreeMap<PrKind, u32> = BTreeMap::new();
    let mut silent = 0;
    for mut training in hevy() {
        // Rows that say neither repetitions, seconds nor metres are no sets of ours.
        let all = training.rows.len();
        training.rows.retain(Row::says_something);
        silent += all - training.rows.len();
        let before = bests(&past);
        let expected = plain_records(&training, &mut past);
        let volume: u64 = training.rows.iter().map(Row::volume).sum();

        let logged = log(&training, &before, 0..training.rows.len());

        logged.entity.state().check_invariants();
        assert_eq!(logged.records(), expected, "{:?}", training.start);
        assert_eq!(logged.volume(), volume);
        let withdrawn =
            |recorded: &&Recorded<SessionEvent>| matches!(recorded.event, SessionEvent::PrWithdrawn(_));
        assert_eq!(logged.journal.iter().filter(withdrawn).count(), 0, "in order, nothing is withdrawn");
        for (_, kind) in logged.records().keys() {
            *announced.entry(*kind).or_default() += 1;
        }

        // A phone that was offline sends its sets in another order: the same records stand at the end.
        let backwards = log(&training, &before, (0..training.rows.len()).rev());
        backwards.entity.state().check_invariants();
        assert_eq!(backwards.records(), expected);
        assert_eq!(backwards.volume(), volume);
    }
    assert_eq!(silent, 0);
    let told: Vec<(PrKind, u32)> = announced.into_iter().collect();
    assert_eq!(told, [(PrKind::Heaviest, 161), (PrKind::RepMax, 227), (PrKind::E1rm, 227)]);
}

#[test]
fn the_strong_exports_have_the_volume_that_a_plain_sum_finds() {
    for (file, delimiter, sets, trainings, grams) in [
        ("strong-export-semicolon.csv", b';', 1_623 - 748 - 7, 47, 168_452_800),
        ("strong-export-comma.csv", b',', 2_078, 129, 800_773_000),
        ("strong-export-comma-10col.csv", b',', 250, 15, 49_237_400),
    ] {
        let read = strong(file, delimiter);
        assert_eq!(read.iter().map(|training| training.rows.len()).sum::<usize>(), sets, "{file}");
        assert_eq!(read.len(), trainings, "{file}");
        let (mut total, mut silent) = (0, 0);
        for mut training in read {
            let all = training.rows.len();
            training.rows.retain(Row::says_something);
            silent += all - training.rows.len();
            let logged = log(&training, &[], 0..training.rows.len());
            logged.entity.state().check_invariants();
            // Repetitions times weight of every set but warm-ups.
            assert_eq!(logged.volume(), training.rows.iter().map(Row::volume).sum::<u64>(), "{file}");
            total += logged.volume();
        }
        assert_eq!(silent, 0, "{file}: every row says what was done");
        assert_eq!(total, grams, "{file}");
    }
}
