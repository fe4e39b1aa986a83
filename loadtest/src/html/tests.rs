use super::*;
use crate::example;
use crate::results::{Fault, Ledger, Verdict};

/// What would be a script, were it not escaped.
const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>";

/// Everything of a run that is text, made hostile.
fn hostile() -> Results {
    let mut run = example::run(1, 1.0);
    let bad = || HOSTILE.to_owned();
    run.run.name = bad();
    run.run.scenario = bad();
    run.run.target = bad();
    run.run.database = Some(bad());
    run.run.server_version = Some(bad());
    run.run.version = bad();
    run.host.processor = bad();
    run.host.kernel = bad();
    run.stages[1].name = bad();
    run.stages.iter_mut().for_each(|stage| stage.to *= 50.0);
    run.faults.push(Fault { at: 3.0, what: bad(), consistent_after: None });
    run.ledger.examples.push(bad());
    run.thresholds[0].what = bad();
    run.thresholds[0].measured = bad();
    let mut set = run.operations["set"].clone();
    set.errors.insert(bad(), 3);
    run.operations.insert(bad(), set);
    for second in &mut run.intervals {
        let set = second.operations.get("set").cloned().unwrap_or_default();
        second.operations.insert(bad(), set);
        if let Some(server) = &mut second.server {
            server.metrics.insert(bad(), 1.0);
            server.metrics.insert(format!("m{{l=\"{HOSTILE}\"}}"), 1.0);
        }
    }
    run
}

#[test]
fn nothing_of_the_run_becomes_markup() {
    let page = page(&hostile());
    assert!(page.contains("&lt;script&gt;"));
    assert_eq!(page.matches("<script>").count(), 1, "the page's own");
    assert!(!page.contains("<img"));
    assert!(!page.contains("\"'>"));
}

#[test]
fn the_page_fetches_nothing() {
    let page = page(&example::run(1, 1.0));
    for reference in ["src=", "href=", "url(", "@import", "fetch(", "http://", "https://"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn every_chart_is_told_in_words_too() {
    let page = page(&example::run(1, 1.0));
    let charts = page.matches("<svg ").count();
    assert!(charts > 12, "{charts}");
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), charts);
    assert!(page.contains("set over time: p50 from "), "a sentence for each line");
}

#[test]
fn no_chart_holds_a_place_that_is_no_number() {
    for page in [page(&example::run(1, 1.0)), page(&hostile())] {
        assert!(!page.contains("NaN") && !page.contains("inf "));
    }
}

#[test]
fn a_fault_is_marked_in_every_chart_over_time() {
    let page = page(&example::run(1, 1.0));
    assert_eq!(page.matches("class=\"healing\"").count(), page.matches("class=\"cursor\"").count());
    assert!(page.contains("kill server"));
}

#[test]
fn a_run_without_anything_is_still_a_page() {
    let mut run = example::run(1, 1.0);
    run.operations.clear();
    run.intervals.clear();
    run.stages.clear();
    run.faults.clear();
    run.thresholds.clear();
    let page = page(&run);
    assert!(page.contains("Nothing was answered.") && page.contains("</html>") && !page.contains("NaN"));
}

#[test]
fn a_histogram_that_cannot_be_decoded_is_said_to_be_missing() {
    let mut run = example::run(1, 1.0);
    run.operations.get_mut("set").unwrap().histogram = "none".to_owned();
    assert!(page(&run).contains("Without set: the histogram cannot be decoded."));
}

#[test]
fn a_broken_run_says_so_first_and_shows_what() {
    let mut run = example::run(1, 1.0);
    run.verdict = Verdict::Broken;
    run.ledger = Ledger { lost: 2, examples: vec!["set 7 of bo".to_owned()], ..run.ledger };
    let page = page(&run);
    assert!(page.contains("class=\"verdict bad\"") && page.contains("set 7 of bo"));
}

#[test]
fn a_day_is_drawn_with_as_few_points_as_an_hour() {
    let mut run = example::run(1, 1.0);
    let minute = run.intervals.clone();
    run.intervals = (0..86_400_usize)
        .map(|second| {
            let mut interval = minute[second % minute.len()].clone();
            interval.at = second as f64 + 1.0;
            interval
        })
        .collect();
    run.run.seconds = 86_400.0;
    assert!(page(&run).len() < 1_500_000);
}
