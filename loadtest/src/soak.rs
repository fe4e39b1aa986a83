//! `spotter-load soak`: what a scenario does, at one rate for long. It ends well when it ends as it began.

mod growth;

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use anyhow::anyhow;

use crate::chosen::Chosen;
use crate::leave::leave_and_say;
use crate::live::Live;
use crate::place::Place;
use crate::results::Verdict;
use crate::run::{self, Course, NotRun, drive};
use crate::scenario::Scenario;
use crate::schedule::{Due, plan};
use crate::threshold::Threshold;
use growth::{Limits, Thirds, judge};

pub(crate) const HOW: &str = "\
Examples:
  spotter-load soak gym-evening --minutes 30 --self-contained
  spotter-load soak evening.toml --minutes 50 --per-second 400 --target ws://127.0.0.1:8080 --people people.csv

Besides the thresholds of the scenario, but for counts: errors below 1 % where it says nothing of them, the server's memory in the last third at most
--memory-growth percent above that in the second, and p99 of set, delivery and tile in the last third at most --p99-growth
percent (or 5 ms) above that in the first. Memory is judged where the harness started the server.

Exit codes: 0 passed, 2 wrong call or scenario, 3 target unreachable, 97 the generator itself was late
or had no processor left, 98 something was lost, doubled, reordered or leaked, 99 a threshold was missed, or something grew.";

/// The plan is made so much at a time.
const SLICE: Duration = Duration::from_secs(30);

/// What `soak` is asked.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Soak {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    place: Place,
    /// How long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    minutes: u32,
    /// Operations a second; by default the mean of the scenario
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    per_second: Option<u32>,
    /// How much the server's memory may grow, in percent
    #[arg(long, default_value_t = 10.0)]
    memory_growth: f64,
    /// How much the 99th percentile of a delay may grow, in percent
    #[arg(long, default_value_t = 50.0)]
    p99_growth: f64,
    /// Where results.json, report.html, intervals.csv, junit.xml and delays.hgrm are written; by default soak-SCENARIO
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Soaks, prints the summary and leaves the files.
///
/// # Errors
/// See [`NotRun`].
pub(crate) async fn soak(asked: &Soak) -> Result<Verdict, NotRun> {
    let mut scenario = asked.chosen.scenario()?;
    let folder = asked.out.clone().unwrap_or_else(|| PathBuf::from(format!("soak-{}", scenario.name)));
    scenario.thresholds.retain(|threshold| !threshold.is_count());
    if !scenario.thresholds.iter().any(Threshold::is_errors) {
        let errors = Threshold::try_from("errors < 1%".to_owned());
        scenario.thresholds.push(errors.map_err(|error| anyhow!(error))?);
    }
    let per_second = asked.per_second.map_or(scenario.mean_rate(), f64::from);
    let scenario = scenario.steady(per_second, asked.minutes * 60);
    let length = scenario.length();
    let target = asked.place.open(&scenario, &folder, Some(rests_after(length))).await?;
    eprintln!("{} for {} min: {}", scenario.name, asked.minutes, scenario.about);
    let live = Live::begin(&scenario, false)?;
    let course = Course { tends: true, ..Course::new(slices(&scenario, per_second), length) };
    let driven = drive(&scenario, course, &target, &folder, live, async { Ok(()) }).await;
    let ended = target.close().await;
    let mut results = driven?;
    run::judge(&mut results, &scenario);
    // One that ended early has no thirds to compare.
    if results.aborted.is_none() {
        let thirds = Thirds::read(&folder.join("delays.hgrm"), length.as_secs_f64())?;
        let limits = Limits { memory: asked.memory_growth, p99: asked.p99_growth };
        results.thresholds.extend(judge(&results, &thirds, limits));
        results.verdict = run::verdict(&results, &scenario);
    }
    leave_and_say(&results, &folder, false)?;
    ended?;
    Ok(results.verdict)
}

/// When a server that is started for a soak lets sessions rest: soon enough that as many come as go from the second third on.
fn rests_after(length: Duration) -> Duration {
    (length / 6).clamp(Duration::from_secs(10), Duration::from_secs(300))
}

/// The plan of an even scenario, a slice after the other: each is made by a thread of its own while the one before is
/// followed, so that no more than a few are ever held.
fn slices(scenario: &Scenario, per_second: f64) -> impl Iterator<Item = Due> + Send + use<> {
    let slice = scenario.steady(per_second, SLICE.as_secs() as u32);
    let count = scenario.length().as_secs() / SLICE.as_secs();
    let (made, taken) = sync_channel(1);
    std::thread::spawn(move || {
        for number in 0..count {
            let begin = SLICE * number as u32;
            let part = plan(&Scenario { seed: slice.seed.wrapping_add(number), ..slice.clone() });
            let part = part.into_iter().map(|Due { at, deed }| Due { at: begin + at, deed });
            // Whoever follows no more needs no more.
            if made.send(part.collect::<Vec<_>>()).is_err() {
                return;
            }
        }
    });
    taken.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soak_goes_on_at_one_rate_to_its_end_and_never_twice_alike() {
        let evening = Scenario::find("gym-evening").unwrap().steady(100.0, 120);
        let plan: Vec<Due> = slices(&evening, 100.0).collect();
        assert!(plan.is_sorted_by_key(|due| due.at));
        let within = |from, to| plan.iter().filter(move |due| (from..to).contains(&due.at.as_secs()));
        for from in [0, 30, 60, 90] {
            // 3,000 operations and a few cuts; four standard deviations are 220.
            let count = within(from, from + 30).count();
            assert!((2_780..=3_300).contains(&count), "{count} from {from} s on");
        }
        assert_ne!(within(0, 30).count(), within(30, 60).count());
    }

    #[test]
    fn sessions_rest_within_the_first_third() {
        assert_eq!(rests_after(Duration::from_secs(60)).as_secs(), 10);
        assert_eq!(rests_after(Duration::from_secs(3_300)).as_secs(), 300);
    }
}
