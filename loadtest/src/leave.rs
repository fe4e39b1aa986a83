//! What a run leaves in its folder besides the histogram log, and the summary it prints.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::cluster::all_logs;
use crate::html;
use crate::results::{Generator, Results, Run, Verdict};

/// Writes `results.json`, `intervals.csv`, `junit.xml` and `report.html`.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn leave(results: &Results, folder: &Path) -> anyhow::Result<()> {
    let files = [
        ("results.json", serde_json::to_string_pretty(results)?),
        ("intervals.csv", intervals(results)),
        ("junit.xml", junit(results)),
        ("report.html", html::page(results)),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Leaves the files and prints the summary, to standard error where standard output has lines of JSON.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn leave_and_say(results: &Results, folder: &Path, json_lines: bool) -> anyhow::Result<()> {
    leave(results, folder)?;
    let mut said = format!("{}\n{1}/results.json\n{1}/report.html", summary(results)?, folder.display());
    for log in all_logs(folder) {
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            write!(said, "\n{}: the server had something to say", log.display())?;
        }
    }
    if json_lines {
        eprintln!("{said}");
    } else {
        println!("{said}");
    }
    Ok(())
}

/// A row for each kind of operation in each second.
fn intervals(results: &Results) -> String {
    let mut csv = "at_s,connections,operation,count,errors,mean_us,p50_us,p90_us,p99_us,p999_us,max_us,server_cpu_s,server_rss_kib\n".to_owned();
    for interval in &results.intervals {
        let figure = |of: Option<f64>| of.map_or(String::new(), |value| value.to_string());
        let cpu_s = figure(interval.server.as_ref().and_then(|server| server.cpu_s));
        let rss_kib = figure(interval.server.as_ref().and_then(|server| server.rss_kib));
        for (kind, of_kind) in &interval.operations {
            let delay = of_kind.delay;
            csv += &format!(
                "{:.3},{},{kind},{},{},{:.1},{},{},{},{},{},{cpu_s},{rss_kib}\n",
                interval.at,
                interval.connections,
                of_kind.count,
                of_kind.errors,
                delay.mean,
                delay.p50,
                delay.p90,
                delay.p99,
                delay.p999,
                delay.max
            );
        }
    }
    csv
}

/// What was promised, each as a test: the ledger's four, the generator, and the thresholds.
fn junit(results: &Results) -> String {
    let ledger = &results.ledger;
    let examples = ledger.examples.join("; ");
    let found = |count: u64| (count > 0).then(|| format!("{count}: {examples}"));
    let mut tests = vec![
        ("nothing is lost".to_owned(), found(ledger.lost)),
        ("nothing is doubled".to_owned(), found(ledger.doubled)),
        ("nothing is reordered".to_owned(), found(ledger.reordered)),
        ("nothing is leaked".to_owned(), found(ledger.leaked)),
    ];
    let Generator { lag, starved_s, .. } = &results.generator;
    let late = format!("its lag was p99 {} µs, and it had no processor left in {starved_s:.1} s", lag.p99);
    tests.push(("the generator kept up".to_owned(), (results.verdict == Verdict::Invalid).then_some(late)));
    for threshold in &results.thresholds {
        let missed = (!threshold.met).then(|| format!("measured {}", threshold.measured));
        tests.push((threshold.what.clone(), missed));
    }
    if let Some(aborted) = &results.aborted {
        tests.push(("the run went to its end".to_owned(), Some(aborted.to_string())));
    }
    for fault in &results.faults {
        let never = fault.consistent_after.is_none().then(|| "not before the end of the run".to_owned());
        tests.push((format!("all is consistent after {} at {:.1} s", fault.what, fault.at), never));
    }
    let failures = tests.iter().filter(|(_, failure)| failure.is_some()).count();
    let suite = escaped(&results.run.name);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failures}\" time=\"{:.3}\">\n",
        tests.len(),
        results.run.seconds
    );
    for (name, failure) in tests {
        xml += &format!("<testcase classname=\"{suite}\" name=\"{}\"", escaped(&name));
        xml += &match failure {
            None => "/>\n".to_owned(),
            Some(why) => format!("><failure message=\"{}\"/></testcase>\n", escaped(&why)),
        };
    }
    xml + "</testsuite>\n</testsuites>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The run on a page.
fn summary(results: &Results) -> anyhow::Result<String> {
    let mut page = String::new();
    let run = &results.run;
    let on = run.database.as_deref().map_or(String::new(), |database| format!(" on {database}"));
    let of = run.nodes.map_or(String::new(), |nodes| format!(" ({nodes} nodes)"));
    let by = run.workers.map_or(String::new(), |workers| format!(" by {workers} workers"));
    let Run { name, seconds, target, seed, .. } = run;
    writeln!(page, "\n{name}, {seconds:.0} s against {target}{of}{on}{by}, seed {seed}\n")?;
    writeln!(
        page,
        "{:16} {:>9} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "", "count", "errors", "p50 ms", "p99 ms", "p99.9", "max"
    )?;
    for (kind, of_kind) in &results.operations {
        let errors: u64 = of_kind.errors.values().sum();
        let [p50, p99, p999, max] =
            [of_kind.delay.p50, of_kind.delay.p99, of_kind.delay.p999, of_kind.delay.max]
                .map(|us| format!("{:.2}", us as f64 / 1000.0));
        writeln!(page, "{kind:16} {:>9} {errors:>8} {p50:>9} {p99:>9} {p999:>9} {max:>9}", of_kind.count)?;
    }
    let errors: BTreeSet<_> = results
        .operations
        .iter()
        .flat_map(|(kind, one)| one.errors.iter().map(move |(why, n)| (kind, why, n)))
        .collect();
    for (kind, why, count) in errors {
        writeln!(page, "error: {kind}: {why} × {count}")?;
    }
    let ledger = &results.ledger;
    writeln!(
        page,
        "\nledger: {} acknowledged, {} copies delivered; {} lost, {} doubled, {} reordered, {} leaked",
        ledger.acknowledged, ledger.delivered, ledger.lost, ledger.doubled, ledger.reordered, ledger.leaked
    )?;
    for example in &ledger.examples {
        writeln!(page, "  {example}")?;
    }
    for fault in &results.faults {
        match fault.consistent_after {
            Some(after) => {
                writeln!(page, "fault at {:.1} s: {}: consistent after {after:.2} s", fault.at, fault.what)?
            }
            None => {
                writeln!(page, "fault at {:.1} s: {}: NOT CONSISTENT before the end", fault.at, fault.what)?
            }
        }
    }
    let generator = &results.generator;
    writeln!(
        page,
        "generator: lag p99 {:.2} ms, {:.1} s of processor, {:.1} s waiting for one (none left in {:.0} s), {:.0} MiB",
        generator.lag.p99 as f64 / 1000.0,
        generator.cpu_s,
        generator.waited_s,
        generator.starved_s,
        generator.rss_kib / 1024.0
    )?;
    for threshold in &results.thresholds {
        let met = if threshold.met { "met" } else { "MISSED" };
        writeln!(page, "threshold: {}: {} ({met})", threshold.what, threshold.measured)?;
    }
    if let Some(aborted) = &results.aborted {
        writeln!(page, "{aborted}")?;
    }
    let verdict = match results.verdict {
        Verdict::Passed => "PASSED",
        Verdict::Invalid => {
            "INVALID: the generator was late itself or had no processor left; its figures say nothing of the server"
        }
        Verdict::Broken => "BROKEN: something was lost, doubled, reordered or leaked",
        Verdict::Failed if results.aborted.is_some() => "FAILED: the run ended early for a missed threshold",
        Verdict::Failed => "FAILED: a threshold was missed, or not all was consistent after a fault",
    };
    writeln!(page, "{verdict}")?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Interval, IntervalOperation, Threshold};

    fn a_run() -> Results {
        let text = r#"{"schema":1,
            "run":{"name":"smoke","scenario":"","seed":1,"started_at":0,"seconds":10.0,"target":"ws://127.0.0.1:1","database":null,"server_version":null,"version":"0.1.0"},
            "host":{"processor":"p","cores":2,"memory_kib":1,"kernel":"k"},
            "stages":[],"operations":{},"intervals":[],"faults":[],
            "ledger":{"acknowledged":2,"delivered":1,"lost":1,"doubled":0,"reordered":0,"leaked":0,"examples":["a & b"]},
            "generator":{"lag":{"mean":0.0,"p50":0,"p90":0,"p99":0,"p999":0,"max":0},"cpu_s":0.0,"rss_kib":0.0},
            "thresholds":[],"verdict":"broken"}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_promise_is_a_test_and_a_broken_one_fails() {
        let mut results = a_run();
        results.thresholds =
            vec![Threshold { what: "set.p99 < 1ms".into(), measured: "2ms".into(), met: false }];
        let xml = junit(&results);
        assert!(xml.contains("tests=\"6\" failures=\"2\""), "{xml}");
        assert!(xml.contains("name=\"nothing is lost\"><failure message=\"1: a &amp; b\"/>"), "{xml}");
        assert!(xml.contains("name=\"set.p99 &lt; 1ms\"><failure message=\"measured 2ms\"/>"), "{xml}");
    }

    #[test]
    fn each_kind_in_each_second_is_a_row_as_wide_as_the_head() {
        let mut results = a_run();
        let operations = [("set".to_owned(), IntervalOperation { count: 3, ..Default::default() })].into();
        results.intervals = vec![Interval { at: 1.0, connections: 4, operations, server: None }];
        let csv = intervals(&results);
        let [head, row] = csv.lines().collect::<Vec<_>>()[..] else { panic!("two lines") };
        assert!(row.starts_with("1.000,4,set,3,0,"), "{row}");
        assert_eq!(head.split(',').count(), row.split(',').count());
    }

    #[test]
    fn a_run_leaves_its_figures_and_the_page_that_shows_them() {
        let folder = tempfile::tempdir().unwrap();
        leave(&a_run(), folder.path()).unwrap();
        let left = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(left("report.html").starts_with("<!DOCTYPE html>"));
        assert!(left("results.json").contains("\"schema\": 1"));
        assert!(left("junit.xml").starts_with("<?xml") && left("intervals.csv").starts_with("at_s,"));
    }

    #[test]
    fn the_summary_says_what_is_broken() {
        let page = summary(&a_run()).unwrap();
        assert!(page.contains("1 lost, 0 doubled, 0 reordered, 0 leaked\n  a & b\n"), "{page}");
        assert!(page.contains("BROKEN"), "{page}");
    }
}
