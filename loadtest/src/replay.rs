//! `spotter-load replay`: training logs of real people, played as live sessions in several gyms at once.

mod timeline;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::leave::leave_and_say;
use crate::live::Live;
use crate::logbook::{self, Workout};
use crate::place::Place;
use crate::results::Verdict;
use crate::run::{Course, NotRun, drive, judge};
use crate::scenario::Scenario;
use timeline::{Pace, timeline};

pub(crate) const HOW: &str = "\
Examples:
  spotter-load replay hevy.csv --self-contained
  spotter-load replay hevy.csv strong.csv --speed 120 --gyms 4 --athletes 25 --self-contained

A log is an export of Hevy or Strong, and its workouts are dealt to --athletes athletes of every gym, who play them one after
another. Sets keep exercise, type, load, repetitions, time, distance and effort; the logs have no time for each set, so sets
are spread evenly over their workout. A pause between workouts lasts ten minutes of the log at most, a workout three hours.

Exit codes: 0 passed, 2 wrong call or a log that cannot be read, 3 target unreachable, 97 the generator itself was late
or had no processor left, 98 something was lost, doubled, reordered or leaked, 99 a threshold was missed.";

/// Athletes that a coach follows one by one.
const FOLLOWED_MAX: u32 = 5;

/// What `replay` is asked.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Replay {
    /// Exports of Hevy or Strong
    #[arg(required = true)]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// How many times as fast as it was
    #[arg(long, default_value_t = 60.0, value_parser = speed)]
    speed: f64,
    /// In how many gyms the same is played
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=16))]
    gyms: u16,
    /// Athletes of each gym that share the workouts of one log
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=500))]
    athletes: u32,
    /// Coaches of each gym, who watch the wall and a few sessions
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=50))]
    coaches: u32,
    /// How long is played; workouts that have not begun by then are left out, others are cut off
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=59))]
    minutes: u32,
    /// Another seed makes athletes begin at other moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where results.json, report.html, intervals.csv, junit.xml and delays.hgrm are written; by default load-LOG
    #[arg(long)]
    out: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.1..=10_000.0).contains(&speed) { Ok(speed) } else { Err("0.1 to 10000".to_owned()) }
}

/// Plays the logs, prints the summary and leaves the files.
///
/// # Errors
/// See [`NotRun`].
pub(crate) async fn replay(asked: &Replay) -> Result<Verdict, NotRun> {
    let logs: Vec<Vec<Workout>> = asked
        .logs
        .iter()
        .map(|log| logbook::read(log))
        .collect::<anyhow::Result<_>>()
        .map_err(NotRun::Called)?;
    let first = asked.logs.first().and_then(|log| log.file_stem()).and_then(|stem| stem.to_str());
    let name = first.context("a log has a name")?;
    let pace = Pace {
        speed: asked.speed,
        gyms: asked.gyms,
        athletes: asked.athletes,
        length: Duration::from_secs(u64::from(asked.minutes) * 60),
        seed: asked.seed,
    };
    let (plan, played) = timeline(&logs, &pace);
    let length = plan.last().map_or(Duration::ZERO, |due| due.at) + Duration::from_secs(1);
    let athletes = asked.athletes * logs.len() as u32;
    let scenario = Scenario::read(scenario(name, asked, athletes, length)).map_err(NotRun::Called)?;
    let all: usize = logs.iter().map(Vec::len).sum();
    let folder = asked.out.clone().unwrap_or_else(|| PathBuf::from(format!("load-{name}")));
    let target = asked.place.open(&scenario, &folder, None).await?;
    eprintln!(
        "{name}: {played} of {all} workouts in each of {} gyms, at {} times their speed",
        asked.gyms, asked.speed
    );
    let live = Live::begin(&scenario, false)?;
    let course = Course { opens: false, ..Course::new(plan, length) };
    let driven = drive(&scenario, course, &target, &folder, live, async { Ok(()) }).await;
    let ended = target.close().await;
    let mut results = driven?;
    judge(&mut results, &scenario);
    leave_and_say(&results, &folder, false)?;
    ended?;
    if results.ledger.acknowledged == 0 {
        return Err(NotRun::Failed(anyhow!("nothing of the log was played")));
    }
    Ok(results.verdict)
}

/// The people of a replay, as a scenario: the files of a run and its readers know no other form.
fn scenario(name: &str, asked: &Replay, athletes: u32, length: Duration) -> String {
    let about = format!("{} logs at {} times their speed", asked.logs.len(), asked.speed);
    format!(
        "name = {name:?}\nabout = {about:?}\nseed = {}\ngyms = {}\nthresholds = [\"errors < 1%\"]\n\n\
         [gym]\nathletes = {athletes}\ncoaches = {}\ncoach_follows = {}\n\n\
         [[stages]]\nname = \"replay\"\nseconds = {}\n",
        asked.seed,
        asked.gyms,
        asked.coaches,
        athletes.min(FOLLOWED_MAX),
        length.as_secs().max(1)
    )
}
