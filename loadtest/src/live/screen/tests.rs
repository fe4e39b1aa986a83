use ratatui::backend::TestBackend;

use super::*;
use crate::results::{Delays, Interval, IntervalOperation, Ledger, ServerSample};

/// The screen after the given seconds of `smoke`, as lines.
fn screen(seconds: &[Now]) -> Vec<String> {
    let mut shown = Shown::of(&Scenario::find("smoke").unwrap());
    seconds.iter().for_each(|now| shown.note(now));
    let mut terminal = Terminal::new(TestBackend::new(90, 24)).unwrap();
    terminal.draw(|frame| shown.draw(frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let cell = |place: usize| buffer.content()[place].symbol().to_owned();
    (0..24).map(|row| (0..90).map(|column| cell(row * 90 + column)).collect::<String>()).collect()
}

fn second(at: f64) -> Now {
    let delays = Delays { mean: 2_500.0, p50: 2_000, p90: 3_000, p99: 9_500, p999: 9_900, max: 12_000 };
    let set = IntervalOperation { count: 98, errors: 1, delay: delays };
    let server = ServerSample { cpu_s: Some(at / 4.0), rss_kib: Some(61_440.0), ..Default::default() };
    Now {
        interval: Interval {
            at,
            connections: 41,
            operations: [("set".to_owned(), set)].into(),
            server: Some(server),
        },
        delays: BTreeMap::new(),
        ledger: Ledger { acknowledged: 1_234, ..Default::default() },
        faults: Vec::new(),
        lag: Delays { p50: 40, p99: 310, max: 2_000, ..Default::default() },
    }
}

fn row<'a>(screen: &'a [String], begins: &str) -> &'a str {
    screen.iter().find(|row| row.starts_with(begins)).unwrap_or_else(|| panic!("{screen:#?}")).trim_end()
}

#[test]
fn a_frame_says_where_the_run_is_and_what_it_measures() {
    let screen = screen(&[second(1.0), second(2.0)]);

    assert!(row(&screen, "smoke").contains("(stage 1 of"), "{screen:#?}");
    assert!(row(&screen, "smoke").contains("41 connections"));
    assert!(screen[1].contains("2 s of 20 s, 18 s left"), "{screen:#?}");
    assert!(screen.iter().any(|row| row.contains("set: 98/s") && row.contains("set: p99 9.50 ms")));
    let of_set = screen.iter().find(|row| row.starts_with("set   ")).unwrap();
    let cells: Vec<_> = of_set.split_whitespace().collect();
    assert_eq!(cells, ["set", "196", "2", "98", "2.00", "ms", "9.50", "ms", "12.0", "ms"]);
    assert_eq!(
        row(&screen, "ledger"),
        "ledger     1,234 acknowledged, 0 lost, 0 doubled, 0 reordered, 0 leaked"
    );
    assert_eq!(row(&screen, "server"), "server     0.25 processors, 60.0 MiB");
    assert_eq!(row(&screen, "generator"), "generator  behind plan by p50 40 µs, p99 310 µs, max 2.00 ms");
}

#[test]
fn what_is_broken_is_on_the_screen_at_once() {
    let mut broken = second(3.0);
    broken.ledger.leaked = 1;
    broken.ledger.examples = vec!["reader 2 of gym 1 was shown it".to_owned()];
    let screen = screen(&[broken]);
    assert!(row(&screen, "ledger").ends_with("1 leaked"));
    assert_eq!(row(&screen, "reader"), "reader 2 of gym 1 was shown it");
}

#[test]
fn a_fault_is_on_the_screen_until_and_after_all_is_well() {
    let fault = |consistent_after| Fault { at: 2.0, what: "kill server".to_owned(), consistent_after };
    let with = |faults| screen(&[Now { faults, ..second(3.0) }]);
    assert_eq!(row(&with(vec![fault(None)]), "fault"), "fault      kill server at 2 s, not consistent yet");
    assert!(row(&with(vec![fault(Some(1.25))]), "fault").ends_with("consistent after 1.2 s"));
}

#[test]
fn after_the_last_stage_answers_are_waited_for() {
    assert!(row(&screen(&[second(21.0)]), "smoke").contains("waiting for answers"));
}
