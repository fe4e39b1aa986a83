//! Who does what when: the workouts of logs, dealt to athletes and drawn together in time.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use spotter_protocol::{ExerciseId, Millis, Name, SetType, Title};

use crate::logbook::{Entry, Workout};
use crate::schedule::{Act, Deed, Due, PhoneOrder};

/// The longest pause between two workouts of an athlete, in the time of the log: days are played as ten minutes.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// The longest workout: a log that was left open overnight says 264 hours.
const WORKOUT_MAX: Duration = Duration::from_secs(3 * 3_600);
/// What a set takes at least, where the log says that a workout took no time.
const SET_MIN: Duration = Duration::from_secs(30);
/// Sets of one exercise that are planned with one command.
const PLANNED_MAX: usize = 50;

/// How logs are played.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) speed: f64,
    pub(super) gyms: u16,
    /// Of each gym, for each log.
    pub(super) athletes: u32,
    /// Nothing is done later.
    pub(super) length: Duration,
    /// Decides when each athlete begins.
    pub(super) seed: u64,
}

/// The plan, in the order of time, and how many workouts of one gym are in it. The workouts of a log go round among its
/// athletes, in every gym alike; athletes begin at any moment of the first pause.
pub(super) fn timeline(logs: &[Vec<Workout>], pace: &Pace) -> (Vec<Due>, usize) {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(pace.seed);
    let each = pace.athletes as usize;
    let (mut plan, mut played) = (Vec::new(), 0);
    for gym in 0..usize::from(pace.gyms) {
        for (number, log) in logs.iter().enumerate() {
            for athlete in 0..each.min(log.len()) {
                let phone = gym * each * logs.len() + number * each + athlete;
                let begin = chance.random_range(Duration::ZERO..PAUSE_MAX);
                let count = play(log.iter().skip(athlete).step_by(each), begin, phone, pace, &mut plan);
                played += if gym == 0 { count } else { 0 };
            }
        }
    }
    plan.sort_by_key(|due| due.at);
    (plan, played)
}

/// One athlete's workouts, one after another from `clock`, which is in the time of the log. Answers how many begin.
fn play<'a>(
    workouts: impl Iterator<Item = &'a Workout>,
    mut clock: Duration,
    phone: usize,
    pace: &Pace,
    plan: &mut Vec<Due>,
) -> usize {
    let (mut count, mut ended) = (0, None);
    for workout in workouts {
        if let Some(ended) = ended {
            let pause = u64::try_from(workout.start.saturating_sub(ended)).unwrap_or(0);
            clock += Duration::from_secs(pause).min(PAUSE_MAX);
        }
        let least = SET_MIN * workout.sets.len() as u32;
        let length = workout.length.clamp(least.min(WORKOUT_MAX), WORKOUT_MAX);
        let before = plan.len();
        for (at, act) in acts(workout, length) {
            let at = (clock + at).div_f64(pace.speed);
            if at < pace.length {
                plan.push(Due { at, deed: Deed::Phone(phone, PhoneOrder::Play(act)) });
            }
        }
        if plan.len() == before {
            break;
        }
        count += 1;
        clock += length;
        ended = Some(workout.start.saturating_add_unsigned(workout.length.as_secs()));
    }
    count
}

/// What an athlete does in a workout, from its beginning: sets end evenly spread over it.
fn acts(workout: &Workout, length: Duration) -> Vec<(Duration, Act)> {
    let mut acts = vec![(Duration::ZERO, Act::Begin(Title::clipped(&workout.title)))];
    let each = length / (workout.sets.len() as u32 + 1);
    let mut done = 0;
    for sets in workout.sets.chunk_by(|one, next| one.exercise == next.exercise) {
        for sets in sets.chunks(PLANNED_MAX) {
            acts.push((each * done, exercise(sets)));
            for set in sets {
                done += 1;
                acts.push((each * done, Act::Set(set.actual.clone())));
                if let Some(rest) = set.rest {
                    acts.push((each * done, Act::Rest(Millis(rest.get().saturating_mul(1_000)))));
                }
            }
        }
    }
    acts.push((length, Act::Finish));
    acts
}

fn exercise(sets: &[Entry]) -> Act {
    let name = sets.first().map_or("", |set| set.exercise.as_str());
    Act::Exercise {
        exercise: slug(name),
        name: Name::clipped(name),
        sets: sets.iter().map(|set| set.set_type).collect::<Vec<SetType>>(),
    }
}

/// A gym's own exercise of that name.
#[expect(clippy::expect_used, reason = "made of what a slug may hold")]
fn slug(name: &str) -> ExerciseId {
    let letters = name.chars().take(57).map(|c| c.to_ascii_lowercase());
    let letters: String = letters.map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("custom-{letters}").parse().expect("a slug")
}

#[cfg(test)]
mod tests {
    use spotter_protocol::{Actual, Reps, Seconds};

    use super::*;

    const DAY: i64 = 86_400;

    fn workout(start: i64, minutes: u64, exercises: &[&str]) -> Workout {
        let actual = Actual { reps: Reps::new(5).ok(), ..Actual::default() };
        let set = |exercise: &&str| Entry {
            exercise: (*exercise).to_owned(),
            set_type: SetType::Working,
            actual: actual.clone(),
            rest: Seconds::new(90).ok(),
        };
        let length = Duration::from_secs(minutes * 60);
        Workout { title: "A".into(), start, length, sets: exercises.iter().map(set).collect() }
    }

    fn pace(athletes: u32) -> Pace {
        Pace { speed: 60.0, gyms: 2, athletes, length: Duration::from_secs(3_600), seed: 1 }
    }

    /// What one phone does, with seconds since its first deed.
    fn of(phone: usize, plan: &[Due]) -> Vec<(f64, &'static str)> {
        let mut first = None;
        let deeds = plan.iter().filter_map(|due| match &due.deed {
            Deed::Phone(one, PhoneOrder::Play(act)) if *one == phone => {
                let first = *first.get_or_insert(due.at);
                let what = match act {
                    Act::Begin(_) => "begin",
                    Act::Exercise { .. } => "exercise",
                    Act::Set(_) => "set",
                    Act::Rest(_) => "rest",
                    Act::Finish => "finish",
                };
                Some((((due.at - first).as_secs_f64() * 1e3).round() / 1e3, what))
            }
            Deed::Phone(..) | Deed::Reader(..) => None,
        });
        deeds.collect()
    }

    #[test]
    fn a_workout_is_played_with_its_exercises_and_rests_as_fast_as_was_asked() {
        let log = vec![workout(0, 40, &["Squat", "Squat", "Bench"])];

        let (plan, played) = timeline(&[log], &pace(1));

        assert_eq!(played, 1);
        let expected = [
            (0.0, "begin"),
            (0.0, "exercise"),
            (10.0, "set"),
            (10.0, "rest"),
            (20.0, "set"),
            (20.0, "rest"),
            (20.0, "exercise"),
            (30.0, "set"),
            (30.0, "rest"),
            (40.0, "finish"),
        ];
        assert_eq!(of(0, &plan), expected);
        assert_eq!(of(1, &plan), expected, "the other gym");
    }

    #[test]
    fn days_between_workouts_are_ten_minutes_and_shorter_pauses_stay() {
        let hour = 3_600;
        let log = vec![
            workout(0, 30, &["A"]),
            workout(3 * DAY, 30, &["A"]),
            workout(3 * DAY + hour / 2 + 300, 30, &["A"]),
        ];

        let (plan, _) = timeline(&[log], &pace(1));

        let begins: Vec<f64> =
            of(0, &plan).iter().filter(|(_, what)| *what == "begin").map(|(at, _)| *at).collect();
        assert_eq!(begins, [0.0, 40.0, 75.0]);
    }

    #[test]
    fn a_log_that_was_left_open_lasts_three_hours_and_one_without_length_as_long_as_its_sets() {
        let lasts = |workout: Workout| of(0, &timeline(&[vec![workout]], &pace(1)).0).last().unwrap().0;
        assert!((lasts(workout(0, 264 * 60, &["A"])) - 180.0).abs() < 1e-9);
        assert!((lasts(workout(0, 0, &["A", "B"])) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn workouts_go_round_among_the_athletes_of_each_gym() {
        let log: Vec<_> = (0..5).map(|day| workout(day * DAY, 60, &["A"])).collect();

        let (plan, played) = timeline(&[log], &pace(2));

        let begun = |phone| of(phone, &plan).iter().filter(|(_, what)| *what == "begin").count();
        assert_eq!([0, 1, 2, 3].map(begun), [3, 2, 3, 2]);
        assert_eq!(played, 5);
    }

    #[test]
    fn what_would_come_too_late_is_left_out() {
        let log: Vec<_> = (0..50).map(|day| workout(day * DAY, 60, &["A", "B", "C"])).collect();
        let pace = Pace { length: Duration::from_secs(300), ..pace(1) };

        let (plan, played) = timeline(&[log], &pace);

        assert!((4..=5).contains(&played), "{played}");
        assert!(plan.iter().all(|due| due.at < pace.length));
    }

    #[test]
    fn the_same_seed_plays_the_same() {
        let log = vec![workout(0, 40, &["Squat"])];
        let with = |seed| timeline(std::slice::from_ref(&log), &Pace { seed, ..pace(1) }).0;
        assert_eq!(with(3), with(3));
        assert_ne!(with(3), with(4));
    }
}
