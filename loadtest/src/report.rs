//! Runs the measurements and writes the page.

use std::fmt::Write;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::figures::{Figure, Findings};
use crate::{Bench, idle, latency, sessions, start, throughput, wall};

/// What a run is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The figures stand.
    Ran,
    /// The load was not what it should have been.
    Invalid,
    /// The server lost, doubled or reordered something.
    Broken,
}

/// The measurements, in the order of the table.
const NAMES: [&str; 6] = ["idle", "throughput", "latency", "start", "sessions", "wall"];

/// Runs what was asked for, prints the page and writes it.
pub(crate) async fn bench(bench: &Bench) -> anyhow::Result<Verdict> {
    for name in &bench.only {
        ensure!(
            NAMES.contains(&name.as_str()),
            "there is no measurement {name:?}: choose of {}",
            NAMES.join(", ")
        );
    }
    let mut all = Vec::new();
    for name in
        NAMES.into_iter().filter(|name| bench.only.is_empty() || bench.only.iter().any(|only| only == name))
    {
        eprintln!("measuring {name} …");
        let measured = match name {
            "idle" => idle::measure(bench).await,
            "throughput" => throughput::measure(bench).await,
            "latency" => latency::measure(bench).await,
            "start" => start::measure(bench).await,
            "sessions" => sessions::measure(bench).await,
            _ => wall::measure(bench).await,
        };
        let findings = measured.with_context(|| format!("measuring {name}"))?;
        for figure in &findings.figures {
            eprintln!("  {}: {}", figure.what, figure.measured);
        }
        all.push((name, findings));
    }
    let page = page(bench, &all)?;
    print!("{page}");
    if let Some(out) = &bench.out {
        std::fs::write(out, page).with_context(|| format!("cannot write {}", out.display()))?;
    }
    Ok(verdict(&all))
}

fn verdict(all: &[(&str, Findings)]) -> Verdict {
    if all.iter().any(|(_, findings)| findings.broken.is_some()) {
        Verdict::Broken
    } else if all.iter().any(|(_, findings)| findings.invalid.is_some()) {
        Verdict::Invalid
    } else {
        Verdict::Ran
    }
}

fn page(bench: &Bench, all: &[(&str, Findings)]) -> anyhow::Result<String> {
    let mut page = String::new();
    writeln!(page, "# Benchmarks\n")?;
    writeln!(
        page,
        "What one node on SQLite costs, measured from outside by `spotter-load`, which starts the server"
    )?;
    writeln!(
        page,
        "itself on loopback. Missed aims stay in the table. Machines differ and this one may be shared:"
    )?;
    writeln!(page, "compare ratios, and repeat with `make bench`.\n")?;
    writeln!(page, "{}\n", machine())?;
    if bench.quick {
        writeln!(page, "**A quick run with small counts: the figures mean nothing.**\n")?;
    }
    writeln!(page, "| figure | aim | measured | |\n|---|---|---|---|")?;
    for figure in all.iter().flat_map(|(_, findings)| &findings.figures) {
        let Figure { what, aim, measured, met } = figure;
        let met = met.map_or("", |met| if met { "met" } else { "**missed**" });
        writeln!(page, "| {what} | {aim} | {measured} | {met} |")?;
    }
    writeln!(page, "\n## How\n")?;
    for (name, findings) in all {
        writeln!(page, "**{name}.** {}\n", findings.how)?;
        if let Some(why) = &findings.broken {
            writeln!(page, "**BROKEN: {why}.**\n")?;
        }
        if let Some(why) = &findings.invalid {
            writeln!(page, "**INVALID: {why}.**\n")?;
        }
    }
    Ok(page)
}

/// Where and on what the figures were taken.
fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output =
            Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
        output.and_then(|output| String::from_utf8(output.stdout).ok()).map(|text| text.trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "Commit {}, {}; {} × {}, Linux {}; generator and server share the cores.",
        said("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(unknown),
        said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(unknown),
        cores,
        model.trim_start_matches(['\t', ' ', ':']),
        said("uname", &["-r"]).unwrap_or_else(unknown),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_run_is_worse_than_an_invalid_one() {
        let invalid = Findings { invalid: Some("late".to_owned()), ..Findings::default() };
        let broken = Findings { broken: Some("lost".to_owned()), ..Findings::default() };
        assert_eq!(verdict(&[("a", invalid.clone()), ("b", Findings::default())]), Verdict::Invalid);
        assert_eq!(verdict(&[("a", invalid), ("b", broken)]), Verdict::Broken);
    }
}
