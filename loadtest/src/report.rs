//! Runs the measurements and writes the page.

use std::fmt::Write;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::figures::{Figure, Findings};
use crate::host;
use crate::postgres::Postgres;
use crate::results::Host;
use crate::server::Kind;
use crate::{Bench, Plan, crowd, fanout, idle, latency, sessions, start, storm, throughput, wake, wall};

/// What a run is worth, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The figures stand.
    Ran,
    /// The load was not what it should have been.
    Invalid,
    /// A measurement could not be made.
    Failed,
    /// The server lost, doubled or reordered something.
    Broken,
}

/// How long one measurement may take. A reply that never comes ends here.
const MEASURED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// The measurements, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measurement {
    /// Memory of a connection that does nothing
    Idle,
    /// The same of 100,000 over several nodes; on PostgreSQL alone
    Crowd,
    /// Acknowledged sets a second
    Throughput,
    /// Acknowledgement and delivery at 500 sets/s
    Calm,
    /// The same at 2,000 sets/s
    Latency,
    /// The same at 4,000 sets/s
    Brisk,
    /// The same at 10,000 sets/s
    Busy,
    /// What it costs to show one session to many
    Fanout,
    /// Time until everybody is back whose connection was cut
    Storm,
    /// Time from start to ready
    Start,
    /// Time until sessions that rest are awake
    Wake,
    /// Memory of a session
    Sessions,
    /// What a coach's page receives
    Wall,
}

impl Measurement {
    async fn take(self, plan: &Plan) -> anyhow::Result<Findings> {
        match self {
            Self::Idle => idle::measure(plan).await,
            Self::Crowd => crowd::measure(plan).await,
            Self::Throughput => throughput::measure(plan).await,
            Self::Calm => latency::measure(plan, 500, 500).await,
            Self::Latency => latency::measure(plan, 1_000, 2_000).await,
            Self::Brisk => latency::measure(plan, 2_000, 4_000).await,
            Self::Busy => latency::measure(plan, 3_000, 10_000).await,
            Self::Fanout => fanout::measure(plan).await,
            Self::Storm => storm::measure(plan).await,
            Self::Start => start::measure(plan).await,
            Self::Wake => wake::measure(plan).await,
            Self::Sessions => sessions::measure(plan).await,
            Self::Wall => wall::measure(plan).await,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Crowd => "crowd",
            Self::Throughput => "throughput",
            Self::Calm => "calm",
            Self::Latency => "latency",
            Self::Brisk => "brisk",
            Self::Busy => "busy",
            Self::Fanout => "fanout",
            Self::Storm => "storm",
            Self::Start => "start",
            Self::Wake => "wake",
            Self::Sessions => "sessions",
            Self::Wall => "wall",
        }
    }
}

/// Runs what was asked for, prints the page and writes it. One measurement that fails costs the others
/// nothing.
pub(crate) async fn bench(bench: &Bench) -> anyhow::Result<Verdict> {
    let mut plans =
        vec![Plan { kind: Kind::Spotter, server: bench.server.clone(), quick: bench.quick, postgres: None }];
    if let Some(url) = &bench.postgres {
        let postgres = Postgres::running(url, bench.postmaster);
        plans.push(Plan { postgres: Some(postgres), ..plans[0].clone() });
    }
    let mut all = Vec::new();
    let asked = |measurement: &&Measurement| bench.only.is_empty() || bench.only.contains(measurement);
    for plan in &plans {
        for measurement in Measurement::value_variants().iter().filter(asked) {
            // A file is served by one node.
            if *measurement == Measurement::Crowd && plan.postgres.is_none() {
                continue;
            }
            all.push(Measured {
                on: plan.database(),
                what: measurement.name(),
                findings: take(*measurement, plan).await,
            });
        }
    }
    let page = page(bench, &all)?;
    print!("{page}");
    if let Some(out) = &bench.out {
        std::fs::write(out, page).with_context(|| format!("cannot write {}", out.display()))?;
    }
    Ok(verdict(&all))
}

/// What came of a measurement.
struct Measured {
    /// Where the journal was kept.
    on: &'static str,
    what: &'static str,
    findings: Findings,
}

/// Takes a measurement and says aloud what came of it.
async fn take(measurement: Measurement, plan: &Plan) -> Findings {
    eprintln!("measuring {} on {} …", measurement.name(), plan.database());
    let measured = tokio::time::timeout(MEASURED_WITHIN, measurement.take(plan)).await;
    let measured = measured.unwrap_or_else(|_| bail!("not done within {MEASURED_WITHIN:?}"));
    let findings = measured.unwrap_or_else(|error| Findings::failed(&error));
    let troubles = [&findings.failed, &findings.broken, &findings.invalid];
    troubles.into_iter().flatten().for_each(|why| eprintln!("  {why}"));
    for figure in &findings.figures {
        eprintln!("  {}: {}", figure.what, figure.measured);
    }
    findings
}

fn verdict(all: &[Measured]) -> Verdict {
    if all.iter().any(|measured| measured.findings.broken.is_some()) {
        Verdict::Broken
    } else if all.iter().any(|measured| measured.findings.failed.is_some()) {
        Verdict::Failed
    } else if all.iter().any(|measured| measured.findings.invalid.is_some()) {
        Verdict::Invalid
    } else {
        Verdict::Ran
    }
}

fn page(bench: &Bench, all: &[Measured]) -> anyhow::Result<String> {
    let mut page = String::new();
    writeln!(page, "# Benchmarks\n")?;
    writeln!(page, "What one node costs, measured from outside by `spotter-load`, which starts the server")?;
    writeln!(
        page,
        "itself on loopback. Missed aims stay in the table. Machines differ and this one may be shared:"
    )?;
    writeln!(page, "compare ratios, and repeat with `make bench`.\n")?;
    writeln!(page, "{}\n\n    {}\n", machine(), command_line(bench))?;
    if bench.quick {
        writeln!(page, "**A quick run with small counts: the figures mean nothing.**\n")?;
    }
    for of_one in all.chunk_by(|one, other| one.on == other.on) {
        writeln!(page, "## On {}\n\n| figure | aim | measured | |\n|---|---|---|---|", of_one[0].on)?;
        for Measured { findings, .. } in of_one {
            for figure in &findings.figures {
                writeln!(page, "{}", row(figure, findings))?;
            }
        }
        writeln!(page)?;
    }
    writeln!(page, "## How\n")?;
    for Measured { on, what, findings } in all {
        writeln!(page, "**{what}, {on}.** {}\n", findings.how)?;
        if let Some(why) = &findings.failed {
            writeln!(page, "**FAILED: {why}.**\n")?;
        }
        if let Some(why) = &findings.broken {
            writeln!(page, "**BROKEN: {why}.**\n")?;
        }
        if let Some(refused) = &findings.refused {
            writeln!(page, "**REFUSED: {refused}.**\n")?;
        }
        if let Some(why) = &findings.invalid {
            writeln!(page, "**INVALID: {why}.**\n")?;
        }
    }
    Ok(page)
}

/// A row of the table. A figure of a run that is broken or invalid, or whose load was refused, meets no aim.
fn row(figure: &Figure, findings: &Findings) -> String {
    let Figure { what, aim, measured, met } = figure;
    let verdict = if findings.broken.is_some() {
        "**BROKEN**"
    } else if findings.refused.is_some() {
        "**REFUSED**"
    } else if findings.invalid.is_some() {
        "**INVALID**"
    } else {
        match met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        }
    };
    format!("| {what} | {aim} | {measured} | {verdict} |")
}

/// The command that gives such a page, without the folders of this machine.
fn command_line(bench: &Bench) -> String {
    let server = bench.server.file_name().unwrap_or_default().to_string_lossy();
    let quick = if bench.quick { " --quick" } else { "" };
    let only: Vec<_> = bench.only.iter().map(|measurement| measurement.name()).collect();
    let only = if only.is_empty() { String::new() } else { format!(" --only {}", only.join(",")) };
    let postgres =
        if bench.postgres.is_some() { " --postgres postgres://spotter@127.0.0.1:5432" } else { "" };
    format!("spotter-load bench --server {server}{postgres}{quick}{only}")
}

/// Where and on what the figures were taken.
pub(crate) fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output =
            Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
        output.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| text.trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    let Host { cores, processor, kernel, .. } = host::host();
    format!(
        "Commit {}, {}; {cores} × {processor}, Linux {kernel}; generator and server share the cores.",
        said("git", &["describe", "--always", "--dirty", "--exclude=*"]).unwrap_or_else(unknown),
        said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(unknown),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(findings: Findings) -> Measured {
        Measured { on: "SQLite", what: "idle", findings }
    }

    #[test]
    fn a_broken_run_is_worse_than_an_invalid_one() {
        let invalid = Findings { invalid: Some("late".to_owned()), ..Findings::default() };
        let broken = Findings { broken: Some("lost".to_owned()), ..Findings::default() };
        assert_eq!(verdict(&[of(invalid.clone()), of(Findings::default())]), Verdict::Invalid);
        let failed = Findings::failed(&anyhow::anyhow!("the server went away"));
        assert_eq!(verdict(&[of(invalid), of(failed.clone())]), Verdict::Failed);
        assert_eq!(verdict(&[of(failed), of(broken)]), Verdict::Broken);
    }

    #[test]
    fn a_missed_aim_and_a_failed_measurement_stay_on_the_page() {
        let mut missed = Findings::of("counted");
        missed.at_most("delay", 10.0, 12.0, "ms", "");
        let failed = Findings::failed(&anyhow::anyhow!("the server went away"));
        let only = vec![Measurement::Idle, Measurement::Wall];
        let server = "/somewhere/target/spotter".into();
        let bench = Bench { server, out: None, quick: false, only, postgres: None, postmaster: None };

        let page = page(&bench, &[of(missed), of(failed)]).unwrap();

        assert!(page.contains("| delay | ≤ 10 ms | 12.0 ms | **missed** |"), "{page}");
        assert!(page.contains("**FAILED: the server went away.**"), "{page}");
        assert!(page.contains("    spotter-load bench --server spotter --only idle,wall\n"), "{page}");
    }

    #[test]
    fn a_load_that_is_refused_is_a_finding_and_no_failure() {
        let mut refused = Findings::of("counted");
        refused
            .refuse("load of 10000 sets/s", "12.0 % of 300000 sets refused, 8800 sets/s carried".to_owned());
        let measured = [of(refused.clone()), of(Findings::default())];
        assert_eq!(verdict(&measured), Verdict::Ran);

        let server = "/somewhere/target/spotter".into();
        let bench =
            Bench { server, out: None, quick: false, only: Vec::new(), postgres: None, postmaster: None };
        let page = page(&bench, &measured).unwrap();

        let said = "12.0 % of 300000 sets refused, 8800 sets/s carried";
        assert!(page.contains(&format!("| load of 10000 sets/s |  | {said} | **REFUSED** |")), "{page}");
        assert!(page.contains(&format!("**REFUSED: {said}.**")), "{page}");

        refused.broken = Some("lost".to_owned());
        assert!(row(&refused.figures[0], &refused).ends_with("**BROKEN** |"), "what is lost goes before");
        assert_eq!(verdict(&[of(refused)]), Verdict::Broken);
    }

    #[test]
    fn a_row_says_whether_its_figure_counts() {
        let mut findings = Findings::default();
        findings.at_most("p99", 10.0, 3.0, "ms", "");
        let said = |findings: &Findings| row(&findings.figures[0], findings);
        assert_eq!(said(&findings), "| p99 | ≤ 10 ms | 3.00 ms | met |");

        findings.invalid = Some("late".to_owned());
        assert_eq!(said(&findings), "| p99 | ≤ 10 ms | 3.00 ms | **INVALID** |");

        findings.broken = Some("lost".to_owned());
        assert_eq!(said(&findings), "| p99 | ≤ 10 ms | 3.00 ms | **BROKEN** |");
    }
}
