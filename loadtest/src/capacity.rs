//! `spotter-load capacity`: the largest rate at which a server meets what a scenario asks of it, and what stands in the
//! way of more.

mod found;
mod search;

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::chosen::Chosen;
use crate::leave::leave;
use crate::live::Live;
use crate::place::Place;
use crate::processor::Processor;
use crate::results::Verdict;
use crate::run::{Course, NotRun, drive, judge};
use crate::scenario::Scenario;
use crate::schedule::plan;
use crate::target::Target;
use found::{Found, Limit, Searched, Step, head};
use search::Search;

pub(crate) const HOW: &str = "\
Examples:
  spotter-load capacity gym-evening --self-contained
  spotter-load capacity evening.toml --from 500 --step 20 --precision 5 --target ws://127.0.0.1:8080 --people people.csv

The people, the mix and the mishaps of the scenario come at one rate, which is doubled until a threshold is missed and then
halved towards the answer. A rate that is not met is tried once more. Thresholds on counts are left out. Every step leaves a run of its own, to look at with `report`.
A run that cannot be finished ends the search, which stands by what it found before.

Exit codes: 0 found, 2 wrong call or scenario, 3 target unreachable, 97 the generator is the limit, and the server carries
more, 98 something was lost, doubled, reordered or leaked, 99 no rate met the thresholds.";

/// What `capacity` is asked.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Capacity {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    place: Place,
    /// The rate to begin with, in operations a second; by default the mean rate of the scenario
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    from: Option<u32>,
    /// No rate above this one is tried
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    most: u32,
    /// How long each rate is held, in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=300))]
    step: u32,
    /// How near the answer has to be, in percent
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    precision: u32,
    /// No more runs than these are made
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=50))]
    steps: u32,
    /// Where capacity.json and a folder for each step are written; by default capacity-SCENARIO
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Searches, prints each step and the answer, and leaves the files.
///
/// # Errors
/// See [`NotRun`].
pub(crate) async fn capacity(asked: &Capacity) -> Result<Verdict, NotRun> {
    let mut scenario = asked.chosen.scenario()?;
    scenario.thresholds.retain(|threshold| !threshold.is_count());
    if scenario.thresholds.is_empty() {
        return Err(NotRun::Called(anyhow!("the scenario has no threshold on delays or errors to meet")));
    }
    let folder = asked.out.clone().unwrap_or_else(|| PathBuf::from(format!("capacity-{}", scenario.name)));
    let longest = scenario.steady(asked.most.into(), asked.step);
    let target = asked.place.open(&longest, &folder, None).await?;
    eprintln!("{}: {}", scenario.name, scenario.about);
    let found = search(asked, &scenario, &target, &folder).await;
    let ended = target.close().await;
    let found = found?;
    let path = folder.join("capacity.json");
    let text = serde_json::to_string_pretty(&found).context("what was found cannot be written")?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    print!("{}", found.table());
    println!("\n{}", path.display());
    let outcome = found.outcome()?;
    ended?;
    Ok(outcome)
}

async fn search(
    asked: &Capacity,
    scenario: &Scenario,
    target: &Target,
    folder: &Path,
) -> anyhow::Result<Found> {
    let first = asked.from.unwrap_or(scenario.mean_rate().round() as u32);
    let mut search = Search::new(first, asked.most, f64::from(asked.precision) / 100.0);
    let mut searched = Searched {
        scenario: scenario.name.clone(),
        target: target.name.clone(),
        database: target.database.map(str::to_owned),
        server_version: None,
        version: env!("CARGO_PKG_VERSION"),
        seed: scenario.seed,
    };
    let mut steps = Vec::new();
    println!("{}", head());
    loop {
        let rate = search.next().context("a search begins with a rate")?;
        let steady = scenario.steady(rate.into(), asked.step);
        let name = format!("step-{:02}-{rate}", steps.len() + 1);
        let folder = folder.join(&name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let course = Course::new(plan(&steady), steady.length());
        let driving = drive(&steady, course, target, &folder, Live::Lines(0), async { Ok(()) });
        let (driven, starved) = Processor::meanwhile(driving).await;
        let mut results = match driven {
            Ok(results) => results,
            Err(error) => {
                eprintln!("the run at {rate}/s could not be finished: {error:#}");
                let why = format!("{error:#}");
                let stopped = if steps.is_empty() && !target.listens().await {
                    Limit::Unreachable { at: rate, why }
                } else if starved > scenario.starved_max {
                    Limit::Generator { at: rate }
                } else {
                    Limit::Unfinished { at: rate, why }
                };
                return Ok(Found::of(searched, steps, Some(stopped)));
            }
        };
        judge(&mut results, &steady);
        leave(&results, &folder)?;
        searched.server_version = results.run.server_version.clone();
        let step = Step::of(rate, name, &results);
        println!("{}", step.row());
        let is_second = steps.last().is_some_and(|last: &Step| last.per_second == rate);
        steps.push(step);
        let is_met = results.verdict == Verdict::Passed;
        // One miss may be the noise of a machine.
        if is_met || is_second {
            search.note(rate, is_met);
        }
        // What is broken is no matter of rates.
        let is_over = results.verdict == Verdict::Broken || steps.len() as u32 == asked.steps;
        if is_over || search.next().is_none() {
            return Ok(Found::of(searched, steps, None));
        }
    }
}
