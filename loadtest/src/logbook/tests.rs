use spotter_protocol::{Load, Unit};

use super::*;

const HEVY: &str = "\"title\",\"start_time\",\"end_time\",\"description\",\"exercise_title\",\"superset_id\",\"exercise_notes\",\"set_index\",\"set_type\",\"weight_kg\",\"reps\",\"distance_km\",\"duration_seconds\",\"rpe\"\n";
const STRONG: &str = "Date,Workout Name,Duration,Exercise Name,Set Order,Weight,Reps,Distance,Seconds,Notes,Workout Notes,RPE\n";

fn sample(name: &str) -> Vec<Workout> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn sets(workouts: &[Workout]) -> usize {
    workouts.iter().map(|workout| workout.sets.len()).sum()
}

fn refused(text: &str) -> String {
    format!("{:#}", parse(text).unwrap_err())
}

#[test]
fn an_export_of_hevy_is_read_oldest_first() {
    let workouts = sample("hevy.csv");

    assert_eq!((workouts.len(), sets(&workouts)), (4, 98));
    assert!(workouts.is_sorted_by_key(|workout| workout.start));
    let newest = workouts.last().unwrap();
    assert_eq!(newest.title, "Lower // Ramp // Strength // 1");
    assert_eq!(newest.length, Duration::from_secs(85 * 60));
    let set = &newest.sets[0];
    assert_eq!((set.exercise.as_str(), set.set_type), ("Seated Leg Curl (Machine)", SetType::Warmup));
    assert_eq!(set.actual.load, Some(Load::new(39_000, Unit::Kg).unwrap()));
    assert_eq!(set.actual.reps.map(|reps| reps.get()), Some(10));
}

#[test]
fn an_export_of_strong_is_read_with_its_rests_and_without_rows_that_are_no_sets() {
    let workouts = sample("strong.csv");

    assert_eq!((workouts.len(), sets(&workouts)), (3, 47));
    assert_eq!(workouts[0].length, Duration::from_secs(2_176));
    let rests = workouts.iter().flat_map(|workout| &workout.sets).filter(|set| set.rest.is_some());
    assert!(rests.count() > 10);
}

#[test]
fn lengths_and_units_are_read_as_each_dialect_writes_them() {
    let comma =
        parse(&format!("{STRONG}2026-01-06 07:00:00,Night,264h 1m,Deadlift,F,180.0,1.0,0,0.0,,,10\n"));
    let comma = comma.unwrap();
    assert_eq!(comma[0].length, Duration::from_secs(264 * 3_600 + 60));
    assert_eq!(comma[0].sets[0].set_type, SetType::Failure);

    let pounds = parse(
        "Date;Workout Name;Exercise Name;Set Order;Weight;Weight Unit;Reps;RPE;Distance;Distance Unit;Seconds;Notes;Workout Notes;Workout Duration\n\
         2025-05-21 15:56:15;Afternoon;Bicep Curl;1;187,5;lbs;8;8,5;2.4;mi.;0;;;53m\n",
    );
    let actual = pounds.unwrap()[0].sets[0].actual.clone();
    assert_eq!(actual.load, Some(Load::new(187_500, Unit::Lb).unwrap()));
    assert_eq!(actual.metres.map(|metres| metres.get()), Some(3_862));
    assert_eq!(actual.effort.map(|effort| effort.tenths()), Some(85));
}

#[test]
fn a_set_in_which_nothing_was_done_is_left_out() {
    let text = format!(
        "{STRONG}2026-01-06 07:00:00,A,1h,Plank,1,0,0,0,60,,,\n2026-01-06 07:00:00,A,1h,Plank,2,0,0,0,0,,,\n"
    );
    assert_eq!(parse(&text).unwrap()[0].sets.len(), 1);
}

#[test]
fn what_cannot_be_read_is_named_by_line_and_column() {
    let row = |start: &str, kind: &str, kg: &str| {
        format!("{HEVY}\"A\",\"{start}\",\"{start}\",\"\",\"Squat\",,\"\",0,\"{kind}\",{kg},5,,0,8\n")
    };
    let cases = [
        (
            row("5 9月 2026, 20:39", "normal", "100"),
            "line 2, column start_time: `5 9月 2026, 20:39`: no time",
        ),
        (row("31 Feb 2026, 20:39", "normal", "100"), "column start_time"),
        (row("5 Sep 2026, 20:39", "heavy", "100"), "line 2, column set_type: `heavy`"),
        (row("5 Sep 2026, 20:39", "normal", "a lot"), "line 2, column weight_kg: `a lot`: no number"),
        (
            row("5 Sep 2026, 20:39", "normal", "9999"),
            "line 2, column weight_kg: `9999`: load is over 2,500 kg",
        ),
        (row("5 Sep 2026, 20:39", "normal", "100").replace("\"rpe\"", "\"effort\""), "column rpe is missing"),
        ("a,b\n1,2\n".to_owned(), "neither Hevy's columns"),
        (HEVY.to_owned(), "it holds no set"),
    ];
    for (text, why) in cases {
        let said = refused(&text);
        assert!(said.contains(why), "{said}");
    }
}
