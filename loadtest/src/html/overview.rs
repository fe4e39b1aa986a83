//! What a reader wants to know before any chart, and what they may ask after them.

use maud::{Markup, html};

use crate::figures::shown;
use crate::results::{Fault, Ledger, Results, Verdict};
use crate::units::{count, delay, length, memory, moment};

/// How the run ended, in a word.
pub(super) const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Invalid => "invalid",
        Verdict::Broken => "broken",
        Verdict::Failed => "failed",
    }
}

const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "Every threshold was met, and nothing was lost, doubled, reordered or leaked.",
        Verdict::Invalid => {
            "The generator itself was late or had no processor left: these figures say nothing about the server."
        }
        Verdict::Broken => "Something was lost, doubled, reordered or leaked. The ledger says what.",
        Verdict::Failed => "The ledger adds up, but a threshold was not met.",
    }
}

const fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "good",
        Verdict::Invalid => "warn",
        Verdict::Broken | Verdict::Failed => "bad",
    }
}

pub(super) fn head(results: &Results) -> Markup {
    let run = &results.run;
    html! {
        header {
            p.product { "Spotter load" }
            h1 { (run.name) }
            p class={ "verdict " (tone(results.verdict)) } {
                strong { (word(results.verdict)) } " " span { (meaning(results.verdict)) }
            }
            @if let Some(aborted) = &results.aborted { p.about { "The run " (aborted) "." } }
            p.about {
                (moment(run.started_at)) " · " (length(run.seconds)) " · " (run.target)
                @if let Some(nodes) = run.nodes { " · " (nodes) " nodes" }
                @if let Some(database) = &run.database { " · " (database) }
                @if let Some(version) = &run.server_version { " · " (version) }
            }
        }
    }
}

/// The few figures to remember.
pub(super) fn figures(results: &Results) -> Markup {
    let seconds = results.run.seconds.max(1.0);
    let answered: u64 = results.operations.values().map(|operation| operation.count).sum();
    let errors: u64 = results.operations.values().flat_map(|operation| operation.errors.values()).sum();
    let connections = results.intervals.iter().map(|second| second.connections).max().unwrap_or(0);
    let samples = || results.intervals.iter().filter_map(|second| second.server.as_ref());
    let rss = samples().filter_map(|server| server.rss_kib).reduce(f64::max);
    let wrong =
        results.ledger.lost + results.ledger.doubled + results.ledger.reordered + results.ledger.leaked;
    let tile = |what: &str, value: String, more: String| {
        html! { div { dt { (what) } dd { strong { (value) } @if !more.is_empty() { span { (more) } } } } }
    };
    let of = format!("of {}", count(results.ledger.acknowledged));
    html! {
        dl.tiles {
            (tile("answered", count(answered), format!("{} a second", shown(answered as f64 / seconds))))
            (tile("refused or unanswered", count(errors), String::new()))
            @if let Some(set) = results.operations.get("set") {
                (tile("a set, p99", delay(set.delay.p99 as f64), format!("p50 {}", delay(set.delay.p50 as f64))))
            }
            (tile("connections at most", count(connections), String::new()))
            (tile("lost, doubled, reordered, leaked", count(wrong), of))
            @if let Some(rss) = rss { (tile("server memory at most", memory(rss), String::new())) }
        }
    }
}

pub(super) fn thresholds(results: &Results) -> Markup {
    html! {
        section aria-labelledby="thresholds" {
            h2 id="thresholds" { "Thresholds" }
            @if results.thresholds.is_empty() {
                p.about { "The scenario names none." }
            } @else {
                div.scroll { table {
                    thead { tr { @for head in ["threshold", "measured", ""] { th scope="col" { (head) } } } }
                    tbody {
                        @for threshold in &results.thresholds {
                            tr {
                                th scope="row" { code { (threshold.what) } }
                                td { (threshold.measured) }
                                @if threshold.met { td.good { "✓ met" } } @else { td.bad { "✗ missed" } }
                            }
                        }
                    }
                } }
            }
        }
    }
}

pub(super) fn ledger(ledger: &Ledger) -> Markup {
    let wrongs = [
        ("lost", ledger.lost, "acknowledged, but not stored or not delivered"),
        ("doubled", ledger.doubled, "stored or delivered more than once"),
        ("reordered", ledger.reordered, "delivered in another order than stored"),
        ("leaked", ledger.leaked, "seen by somebody it is not for"),
    ];
    html! {
        section aria-labelledby="ledger" {
            h2 id="ledger" { "Ledger" }
            p.about {
                (count(ledger.acknowledged)) " acknowledged operations and " (count(ledger.delivered))
                " delivered copies were followed one by one."
            }
            dl.ledger {
                @for (what, wrong, meaning) in wrongs {
                    div class=(if wrong == 0 { "good" } else { "bad" }) {
                        dt { (what) }
                        dd { strong { (count(wrong)) } span { (meaning) } }
                    }
                }
            }
            @if !ledger.examples.is_empty() {
                h3 { "Some of them" }
                ul.examples { @for example in &ledger.examples { li { (example) } } }
            }
        }
    }
}

pub(super) fn operations(results: &Results) -> Markup {
    const HEADS: [&str; 9] =
        ["operation", "answered", "a second", "p50", "p90", "p99", "p99.9", "max", "errors"];
    let said = |us: u64| delay(us as f64);
    html! {
        section aria-labelledby="operations" {
            h2 id="operations" { "Operations" }
            div.scroll { table {
                thead { tr {
                    @for head in HEADS { th scope="col" { (head) } }
                } }
                tbody {
                    @for (name, of) in &results.operations {
                        tr {
                            th scope="row" { (name) }
                            td { (count(of.count)) }
                            td { (shown(of.count as f64 / results.run.seconds.max(1.0))) }
                            @for us in [of.delay.p50, of.delay.p90, of.delay.p99, of.delay.p999, of.delay.max] {
                                td { (said(us)) }
                            }
                            td {
                                @if of.errors.is_empty() { "0" }
                                @for (place, (word, times)) in of.errors.iter().enumerate() {
                                    @if place > 0 { ", " }
                                    (count(*times)) " " (word)
                                }
                            }
                        }
                    }
                }
            } }
        }
    }
}

pub(super) fn faults(results: &Results) -> Markup {
    let row = |number: usize, fault: &Fault| {
        html! {
            tr {
                th scope="row" { (number) }
                td.text { (fault.what) }
                td { (length(fault.at)) }
                @match fault.consistent_after {
                    Some(after) => td { "after " (shown(after)) " s" },
                    None => td.bad { "✗ not any more" },
                }
            }
        }
    };
    html! {
        @if !results.faults.is_empty() {
            section aria-labelledby="faults" {
                h2 id="faults" { "Faults" }
                p.about { "Broken on purpose; marked with their numbers in the charts." }
                div.scroll { table {
                    thead { tr {
                        @for head in ["", "what", "at", "consistent again"] { th scope="col" { (head) } }
                    } }
                    tbody { @for (place, fault) in results.faults.iter().enumerate() { (row(place + 1, fault)) } }
                } }
            }
        }
    }
}

/// Machine, versions, generator and scenario: what somebody needs who doubts the rest.
pub(super) fn circumstances(results: &Results) -> Markup {
    let (run, host, generator) = (&results.run, &results.host, &results.generator);
    let processors = format!("{} × {}", host.cores, host.processor);
    let server = run.server_version.clone().unwrap_or_else(|| "it does not say its version".to_owned());
    let database = run.database.clone().unwrap_or_else(|| "the server's own".to_owned());
    let workers =
        run.workers.map_or(String::new(), |workers| format!(", {workers} workers on their machines"));
    let lag = format!(
        "p50 {}, p99 {}, max {} behind plan; {} s of processor, {} s waiting for one, none left in {:.0} s; {}",
        delay(generator.lag.p50 as f64),
        delay(generator.lag.p99 as f64),
        delay(generator.lag.max as f64),
        shown(generator.cpu_s),
        shown(generator.waited_s),
        generator.starved_s,
        memory(generator.rss_kib)
    );
    let nodes = run
        .nodes
        .map_or("one".to_owned(), |nodes| format!("{nodes}; figures of the server are of all together"));
    let rows = [
        ("server", server),
        ("nodes", nodes),
        ("database", database),
        ("target", run.target.clone()),
        ("harness", format!("spotter-load {}{workers}", run.version)),
        ("seed", run.seed.to_string()),
        ("processors", processors),
        ("memory", memory(host.memory_kib as f64)),
        ("kernel", host.kernel.clone()),
        ("generator", lag),
    ];
    html! {
        section aria-labelledby="circumstances" {
            h2 id="circumstances" { "Circumstances" }
            dl.rows { @for (what, said) in rows { div { dt { (what) } dd { (said) } } } }
            details.numbers { summary { "Scenario" } pre { code { (run.scenario) } } }
        }
    }
}
