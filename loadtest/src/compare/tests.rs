use super::*;
use crate::example;

fn outcome(figures: &[Figure], operation: Option<&str>, quantity: Quantity) -> Outcome {
    let is_it = |figure: &&Figure| figure.operation.as_deref() == operation && figure.quantity == quantity;
    match figures.iter().find(is_it).unwrap().finding {
        Finding::Judged { outcome, .. } => outcome,
        Finding::TooFew => panic!("too few"),
    }
}

fn outcomes(figures: &[Figure]) -> Vec<Outcome> {
    let outcome = |figure: &Figure| match figure.finding {
        Finding::Judged { outcome, .. } => Some(outcome),
        Finding::TooFew => None,
    };
    figures.iter().filter_map(outcome).collect()
}

#[test]
fn two_runs_of_the_same_are_the_same() {
    for seed in 1..=4 {
        let figures = judge(&example::run(seed, 1.0), &example::run(seed + 100, 1.0), None).unwrap();
        let odd: Vec<_> = figures.iter().filter(|figure| figure.is_worse_by(0.0)).collect();
        assert!(outcomes(&figures).len() > 12 && odd.is_empty(), "seed {seed}: {odd:#?}");
    }
}

#[test]
fn a_slower_run_is_worse_and_the_other_way_round_better() {
    let (usual, slower) = (example::run(1, 1.0), example::run(2, 1.3));
    let (usual_again, slower_again) = (example::run(3, 1.0), example::run(4, 1.3));
    for has_noise in [false, true] {
        let there = judge(&usual, &slower, has_noise.then_some(&usual_again)).unwrap();
        let back = judge(&slower, &usual, has_noise.then_some(&slower_again)).unwrap();

        assert_eq!(outcome(&there, Some("set"), Quantity::P50), Outcome::Worse);
        assert_eq!(outcome(&back, Some("set"), Quantity::P50), Outcome::Better);
        assert_eq!(outcome(&there, None, Quantity::Cpu), Outcome::Worse);
        assert_eq!(outcome(&there, Some("set"), Quantity::Throughput), Outcome::Same);
    }
}

#[test]
fn what_two_runs_of_the_same_differ_by_hides_as_much() {
    let figures = judge(&example::run(1, 1.0), &example::run(2, 1.3), Some(&example::run(3, 1.5))).unwrap();
    assert_eq!(outcome(&figures, Some("set"), Quantity::P50), Outcome::Same);
}

#[test]
fn the_interval_holds_what_was_changed() {
    let figures = judge(&example::run(1, 1.0), &example::run(2, 1.3), None).unwrap();
    let of_sets = |figure: &&Figure| figure.operation.as_deref() == Some("set");
    let Finding::Judged { change, .. } = figures.iter().find(of_sets).unwrap().finding else { panic!() };
    assert!(change.low < 1.3 && 1.3 < change.high && change.high < 1.4, "{change:?}");
}

#[test]
fn an_operation_that_is_not_answered_any_more_is_worse() {
    let usual = example::run(1, 1.0);
    let mut silent = usual.clone();
    silent.operations.remove("set");
    silent.intervals.iter_mut().for_each(|second| second.operations.retain(|name, _| name != "set"));

    let figures = judge(&usual, &silent, None).unwrap();

    assert_eq!(outcome(&figures, Some("set"), Quantity::Throughput), Outcome::Worse);
}

#[test]
fn a_comparison_says_the_same_each_time() {
    let runs = (example::run(1, 1.0), example::run(2, 1.1));
    let said = || table::table(&runs.0, &runs.1, false, &judge(&runs.0, &runs.1, None).unwrap());
    assert_eq!(said(), said());
}

#[test]
fn only_a_change_for_the_worse_beyond_the_limit_is_a_regression() {
    let figures = judge(&example::run(1, 1.0), &example::run(2, 1.3), None).unwrap();
    assert!(figures.iter().any(|figure| figure.is_worse_by(0.1)));
    assert!(!figures.iter().any(|figure| figure.is_worse_by(0.9)));
    let better = judge(&example::run(2, 1.3), &example::run(1, 1.0), None).unwrap();
    assert!(!better.iter().any(|figure| figure.is_worse_by(0.0)));
}

#[test]
fn runs_that_cannot_be_compared_are_refused_with_the_reason() {
    let usual = example::run(1, 1.0);
    let refused = |change: fn(&mut Results)| {
        let mut other = usual.clone();
        change(&mut other);
        judge(&usual, &other, None).unwrap_err().to_string()
    };
    assert!(refused(|other| other.run.name = "idle".to_owned()).contains("another scenario"));
    assert!(refused(|other| other.run.scenario += "rate = 81\n").contains("another scenario"));
    assert!(refused(|other| other.verdict = Verdict::Invalid).contains("is invalid"));
    assert!(refused(|other| other.verdict = Verdict::Broken).contains("is broken"));
    assert!(refused(|other| other.intervals.truncate(3)).contains("3 seconds"));
}

#[test]
fn a_share_is_written_with_its_sign() {
    assert_eq!(share("12.5%"), Ok(0.125));
    assert!(share("10").is_err() && share("-1%").is_err() && share("ten%").is_err());
}
