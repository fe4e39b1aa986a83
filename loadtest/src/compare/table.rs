//! What came of a comparison, as a table to read.

use std::fmt::Write;

use super::{Change, Figure, Finding, Outcome, Quantity};
use crate::figures::shown;
use crate::results::{Results, Verdict};
use crate::units;

/// The table, with what has to be known to believe it.
pub(super) fn table(before: &Results, after: &Results, has_pair: bool, figures: &[Figure]) -> String {
    let mut text = format!("{}\n", before.run.name);
    for (which, results) in [("before", before), ("after", after)] {
        let _ = writeln!(text, "  {which:<8}{}", origin(results));
    }
    let noise = if has_pair { "the run given with --noise" } else { "the halves of each run" };
    let _ = writeln!(text, "  {:<8}learned from {noise}; intervals hold 99 of 100 draws\n", "noise");
    let _ = writeln!(
        text,
        "{:<22}{:>12}{:>12}{:>10}   {:<20}{:>9}",
        "", "before", "after", "change", "between", "noise"
    );
    for figure in figures {
        let _ = writeln!(text, "{}", row(figure));
    }
    let of = |wanted: Outcome| {
        let has =
            |figure: &&Figure| matches!(figure.finding, Finding::Judged { outcome, .. } if outcome == wanted);
        figures.iter().filter(has).count()
    };
    let _ = writeln!(
        text,
        "\n{} better, {} worse, {} same",
        of(Outcome::Better),
        of(Outcome::Worse),
        of(Outcome::Same)
    );
    for doubt in doubts(before, after) {
        let _ = writeln!(text, "note: {doubt}");
    }
    text
}

fn origin(results: &Results) -> String {
    let run = &results.run;
    let server = run.server_version.as_deref().unwrap_or("a server that does not say its version");
    let of = run.nodes.map(|nodes| format!(", {nodes} nodes")).unwrap_or_default();
    let on = run.database.as_ref().map(|database| format!(" on {database}")).unwrap_or_default();
    format!(
        "{server}{of}{on}, {}, {}, seed {}",
        units::moment(run.started_at),
        units::length(run.seconds),
        run.seed
    )
}

fn row(figure: &Figure) -> String {
    let (before, after) = (value(figure.quantity, figure.before), value(figure.quantity, figure.after));
    let start = format!("{:<22}{before:>12}{after:>12}", name(figure));
    match figure.finding {
        Finding::TooFew => format!("{start}{:>10}   too few answers to say", "–"),
        Finding::Judged { outcome, change, noise } => {
            let Change { factor, low, high } = change;
            let between = format!("{} … {}", percent(low), percent(high));
            let noise = percent(noise).replace('+', "±");
            let word = match outcome {
                Outcome::Better => "better",
                Outcome::Worse => "WORSE",
                Outcome::Same => "same",
            };
            format!("{start}{:>10}   {between:<20}{noise:>9}  {word}", percent(factor))
        }
    }
}

fn name(figure: &Figure) -> String {
    let quantity = match figure.quantity {
        Quantity::P50 => "p50",
        Quantity::P99 => "p99",
        Quantity::Throughput => "a second",
        Quantity::Cpu => "server CPU/operation",
    };
    figure.operation.as_ref().map_or_else(|| quantity.to_owned(), |of| format!("{of} {quantity}"))
}

fn value(quantity: Quantity, value: f64) -> String {
    match quantity {
        _ if value <= 0.0 => "–".to_owned(),
        Quantity::P50 | Quantity::P99 | Quantity::Cpu => units::delay(value),
        Quantity::Throughput => shown(value),
    }
}

fn percent(factor: f64) -> String {
    match factor {
        factor if factor.is_infinite() => "×∞".to_owned(),
        factor if factor >= 10.0 => format!("×{factor:.0}"),
        factor => format!("{:+.1} %", (factor - 1.0) * 100.0),
    }
}

/// What may make the runs differ besides what was changed.
fn doubts(before: &Results, after: &Results) -> Vec<&'static str> {
    let mut doubts = Vec::new();
    if before.host != after.host {
        doubts.push("the runs are from different machines");
    }
    if before.run.seed != after.run.seed {
        doubts.push("the runs have different seeds, so not the same plan");
    }
    if before.run.database != after.run.database {
        doubts.push("the runs are on different databases");
    }
    if before.run.nodes != after.run.nodes {
        doubts.push("the runs are on different numbers of nodes");
    }
    if before.run.version != after.run.version {
        doubts.push("the runs were made by different versions of the harness");
    }
    if [before, after].iter().any(|results| results.verdict == Verdict::Failed) {
        doubts.push("not every threshold was met");
    }
    doubts
}
