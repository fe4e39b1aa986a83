use std::time::SystemTime;

use super::*;
use crate::example;
use crate::pacer;
use crate::results::{Aborted, IntervalOperation, Stage};
use crate::tally::summed;

/// A worker's part: in each second, sets with those delays.
fn part(seconds: &[&[u64]]) -> Part {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("delays.hgrm");
    let mut log = Log::create(&path, SystemTime::UNIX_EPOCH).unwrap();
    let mut intervals = Vec::new();
    for (number, delays) in seconds.iter().enumerate() {
        let at = number as f64 + 1.0;
        let delays = histogram_of(delays);
        let set = IntervalOperation { count: delays.len(), errors: 1, delay: summed(&delays) };
        log.write("set", at - 1.0, at, &delays).unwrap();
        let operations = [("set".to_owned(), set)].into();
        intervals.push(Interval { at, connections: 10, operations, server: None });
    }
    log.finish().unwrap();
    let errors = [("busy".to_owned(), seconds.len() as u64)].into();
    let all = operation(&histogram_of(&seconds.concat()), errors).unwrap();
    let results = Results {
        operations: [("set".to_owned(), all)].into(),
        intervals,
        ledger: Ledger { acknowledged: 5, lost: 1, examples: vec!["one".to_owned()], ..Default::default() },
        ..example::run(1, 1.0)
    };
    Part { results, log: std::fs::read_to_string(path).unwrap() }
}

fn histogram_of(delays: &[u64]) -> Histogram<u64> {
    let mut histogram = pacer::histogram().unwrap();
    delays.iter().for_each(|delay| histogram.record(*delay).unwrap());
    histogram
}

#[test]
fn a_merged_histogram_is_that_of_the_union() {
    let (one, two): (&[&[u64]], &[&[u64]]) =
        (&[&[100, 200, 90_000], &[300]], &[&[7, 8, 1_000_000], &[400, 500]]);
    let merged = results(&[part(one), part(two)]).unwrap();

    let union = histogram_of(&[one.concat(), two.concat()].concat());
    assert_eq!(histogram(&merged.operations["set"]).unwrap(), union);
    assert_eq!(merged.operations["set"].delay, summed(&union));
    assert_eq!(merged.operations["set"].errors["busy"], 4);
}

#[test]
fn a_second_is_that_of_all_workers_and_the_longest_of_them_ends_the_run() {
    let merged = results(&[part(&[&[100, 200], &[300]]), part(&[&[50_000]])]).unwrap();

    let [first, second] = &merged.intervals[..] else { panic!("two seconds") };
    assert_eq!(first.operations["set"].count, 3);
    assert_eq!(first.operations["set"].errors, 2);
    assert_eq!(first.operations["set"].delay, summed(&histogram_of(&[100, 200, 50_000])));
    assert_eq!((first.connections, second.connections), (20, 10));
    assert_eq!(second.operations["set"].count, 1);
}

#[test]
fn ledgers_are_added_and_name_the_worker_that_found_something() {
    let merged = results(&[part(&[&[1]]), part(&[&[1]])]).unwrap().ledger;
    assert_eq!((merged.acknowledged, merged.lost), (10, 2));
    assert_eq!(merged.examples, ["worker 1: one", "worker 2: one"]);
}

#[test]
fn the_merged_log_is_read_as_that_of_one_generator() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("delays.hgrm");
    let parts = [part(&[&[100, 200], &[300]]), part(&[&[50_000]])];
    write_log(&parts, &path).unwrap();

    let whole = Part { results: results(&parts).unwrap(), log: std::fs::read_to_string(path).unwrap() };
    assert_eq!(seconds(&whole).unwrap(), together(&parts).unwrap());
}

#[test]
fn a_fault_is_over_when_it_is_over_for_all_workers() {
    let fault = |at, consistent_after| [Fault { at, what: "cut sockets".to_owned(), consistent_after }];
    let merged = |one, other| {
        let [both] = &faults([&fault(1.01, one)[..], &fault(1.0, other)].into_iter())[..] else { panic!() };
        (both.at, both.consistent_after)
    };
    assert_eq!(merged(Some(0.5), Some(2.0)), (1.0, Some(2.0)));
    assert_eq!(merged(Some(0.5), None), (1.0, None));
}

#[test]
fn a_late_worker_makes_the_run_late() {
    let mut late = part(&[&[1]]);
    late.results.generator.lag.p99 = 50_000;
    let mut early = part(&[&[1]]);
    early.results.generator.lag.p99 = 10;
    assert_eq!(results(&[early, late]).unwrap().generator.lag.p99, 50_000);
}

#[test]
fn a_run_ended_early_when_it_did_for_one_worker() {
    let whole = part(&[&[1]]);
    let mut cut = part(&[&[1]]);
    let aborted = Aborted { at: 7.0, what: "set.p99 < 1ms".to_owned(), measured: "2ms".to_owned() };
    cut.results.aborted = Some(aborted.clone());
    cut.results.stages = vec![Stage { name: "cut".to_owned(), from: 0.0, to: 7.0 }];
    let stages = cut.results.stages.clone();

    let merged = results(&[whole, cut]).unwrap();

    assert_eq!((merged.aborted, merged.stages), (Some(aborted), stages));
}

#[test]
fn a_log_that_is_cut_short_is_not_taken_for_a_quiet_run() {
    let mut cut = part(&[&[1], &[2]]);
    let end = cut.log.trim_end().rfind('\n').unwrap();
    cut.log.truncate(end + 1);
    assert!(results(&[cut]).is_err());
}
