//! `spotter-load run`: a scenario against a server, from its people to its verdict.

use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::athlete::now;
use crate::chosen::Chosen;
use crate::fault::{self, Breaker, Planned};
use crate::host;
use crate::leave::leave_and_say;
use crate::ledger::{Ledger, run_from};
use crate::live::Live;
use crate::pacer::follow;
use crate::people::People;
use crate::place::Place;
use crate::reconcile::{ask_across, reconcile, tended};
use crate::results::{self, Aborted, Generator, Results, Verdict};
use crate::sampler::{sample, second};
use crate::scenario::Scenario;
use crate::schedule::{Deed, Due, plan};
use crate::tally::Tally;
use crate::target::{NoTarget, Target};
use crate::threshold::{Threshold, hopeless};

/// How long everybody may take to come.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Run a scenario and judge it
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  spotter-load run smoke --self-contained
  spotter-load run gym-evening --self-contained --postgres
  spotter-load run gym-evening --self-contained --postgres --chaos
  spotter-load run rolling-restart --self-contained --postgres --nodes 3
  spotter-load run gym-evening --self-contained --postgres postgres://spotter@127.0.0.1:5432
  spotter-load run evening.toml --target ws://127.0.0.1:8080 --people people.csv --metrics http://127.0.0.1:8081/metrics
  spotter-load run smoke --target ws://127.0.0.1:8080 --target ws://127.0.0.1:8090 --admin http://127.0.0.1:8081

A threshold that a scenario writes { met = \"set.p99 < 50ms\", abort_after_s = 60 } ends the run with 99 as soon as it is
missed over the whole run so far, after a minute at the earliest.

Exit codes: 0 passed, 2 wrong call or scenario, 3 target unreachable, 97 the generator itself was late
or had no processor left, 98 something was lost, doubled, reordered or leaked, 99 a threshold was missed, or not all was
consistent after a fault.")]
pub(crate) struct Run {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    place: Place,
    /// Break one thing after another besides: sockets and readers; with --self-contained nodes of the server, and a PostgreSQL
    /// and a Redis started for the run. Thresholds are not judged: a delay then holds what was broken
    #[arg(long)]
    chaos: bool,
    /// Judge only what is lost, doubled, reordered or leaked, and thresholds on counts: on a machine that does other work,
    /// delays, errors and how late the generator was say nothing
    #[arg(long)]
    correctness: bool,
    /// Write each second as a line of JSON to standard output, and the summary to standard error
    #[arg(long)]
    json_lines: bool,
    /// Where results.json, report.html, intervals.csv, junit.xml and delays.hgrm are written; by default load-SCENARIO
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Why there was no run.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// It was called wrongly: exit code 2.
    Called(anyhow::Error),
    /// The target is not there: exit code 3.
    Unreachable(anyhow::Error),
    /// It failed: exit code 1.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for NotRun {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<NoTarget> for NotRun {
    fn from(error: NoTarget) -> Self {
        match error {
            NoTarget::Unreachable(error) => Self::Unreachable(error),
            NoTarget::Refused(error) => Self::Called(error),
        }
    }
}

impl NotRun {
    /// The exit code it comes to, and why.
    pub(crate) fn parts(self) -> (u8, anyhow::Error) {
        match self {
            Self::Called(error) => (2, error),
            Self::Unreachable(error) => (3, error),
            Self::Failed(error) => (1, error),
        }
    }

    pub(crate) fn from_parts(code: u8, error: anyhow::Error) -> Self {
        match code {
            2 => Self::Called(error),
            3 => Self::Unreachable(error),
            _ => Self::Failed(error),
        }
    }
}

/// Runs a scenario, prints the summary and leaves the files.
///
/// # Errors
/// See [`NotRun`].
pub(crate) async fn run(run: &Run) -> Result<Verdict, NotRun> {
    let mut scenario = run.chosen.scenario()?;
    let reach = run.place.reach(scenario.readers());
    let faults = fault::plan(&scenario, reach, run.chaos).map_err(NotRun::Called)?;
    if run.chaos {
        scenario.thresholds.clear();
    }
    if run.correctness {
        scenario.judge_correctness_alone();
    }
    let folder = run.out.clone().unwrap_or_else(|| PathBuf::from(format!("load-{}", scenario.name)));
    let target = run.place.open(&scenario, &folder, None).await?;
    eprintln!("{}: {}", scenario.name, scenario.about);
    if run.correctness {
        eprintln!("delays, errors and how late the generator was are not judged");
    }
    let live = Live::begin(&scenario, run.json_lines)?;
    let course = Course { faults, ..Course::new(plan(&scenario), scenario.length()) };
    let driven = drive(&scenario, course, &target, &folder, live, async { Ok(()) }).await;
    let ended = target.close().await;
    let mut results = driven?;
    judge(&mut results, &scenario);
    leave_and_say(&results, &folder, run.json_lines)?;
    ended?;
    Ok(results.verdict)
}

/// What is done in a run.
pub(crate) struct Course {
    pub(crate) plan: Box<dyn Iterator<Item = Due> + Send>,
    pub(crate) length: Duration,
    pub(crate) faults: Vec<Planned>,
    /// Whether phones begin a session as they come; else the plan says when.
    pub(crate) opens: bool,
    /// Tells what is said and done in this run from what is left of another.
    pub(crate) run: u32,
    /// Whether sessions that are over are read again and forgotten under way; else all are read in the end.
    pub(crate) tends: bool,
    /// When somebody who sees more of the run than this generator ends it before its plan does.
    pub(crate) called_off: Pin<Box<dyn Future<Output = Aborted> + Send>>,
}

impl Course {
    /// A plan for so long, by people who are there and begin a session as they come.
    pub(crate) fn new(
        plan: impl IntoIterator<Item = Due, IntoIter: Send + 'static>,
        length: Duration,
    ) -> Self {
        Self {
            plan: Box::new(plan.into_iter()),
            length,
            faults: Vec::new(),
            opens: true,
            run: run_from(rand::random(), 0),
            tends: false,
            called_off: Box::pin(std::future::pending()),
        }
    }
}

/// Lets everybody come, waits for `go`, follows the plan, waits until all is answered and seen, and reads what is stored.
///
/// # Errors
/// When not everybody comes, or the log cannot be written.
pub(crate) async fn drive(
    scenario: &Scenario,
    course: Course,
    target: &Target,
    folder: &Path,
    live: Live,
    go: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Results> {
    let run = course.run;
    let tally = Arc::new(Tally::default());
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let (end, ended) = watch::channel(false);
    let (ready, mut all_ready) = mpsc::channel::<()>(1);
    let people = People { scenario, opens: course.opens, target, tally: &tally, ledger: &ledger, run };
    let mut readers = JoinSet::new();
    let (talking, mut all_said) = mpsc::channel::<()>(1);
    let reader_orders = people.seat(&mut readers, &ended, &ready, talking)?;
    let mut phones = JoinSet::new();
    let phone_orders = people.train(&mut phones, &reader_orders, &ready);
    drop(ready);
    let came = tokio::time::timeout(READY_WITHIN, all_ready.recv()).await;
    came.map_err(|_| anyhow!("not everybody came within {READY_WITHIN:?}"))?;
    go.await?;
    live.came(second(&tally, &ledger, 0.0));

    let (started_at, begun, cpu_s) = (now(), Instant::now(), host::own_cpu_s());
    let (stop, stopped) = watch::channel(false);
    let (abort, over) = watch::channel(false);
    let breaker = Breaker {
        cluster: target.cluster.as_ref(),
        phones: phone_orders.clone(),
        readers: reader_orders.iter().map(|(_, orders)| orders.clone()).collect(),
        ledger: &ledger,
        tally: &tally,
        stopped: stopped.clone(),
        over: over.clone(),
    };
    let following = follow(course.plan, course.length, over, move |deed, planned| {
        // One who has hung up failed; the ledger says so.
        let _ = match deed {
            Deed::Phone(phone, order) => phone_orders[phone].send((order, planned)).is_ok(),
            Deed::Reader(reader, order) => reader_orders[reader].1.send((order, planned)).is_ok(),
        };
    });
    let cut_short = async {
        tokio::select! {
            aborted = until_hopeless(&scenario.thresholds, &tally, begun) => aborted,
            aborted = course.called_off => aborted,
        }
    };
    let following = async {
        let mut following = pin!(following);
        tokio::select! {
            followed = &mut following => followed.map(|()| None),
            aborted = cut_short => {
                eprintln!("the run {aborted}");
                let _ = abort.send(true);
                following.await.map(|()| Some(aborted))
            }
        }
    };
    let following = tended(course.tends, target, &ledger, run, following);
    let until = async {
        let (followed, broken) = tokio::join!(following, breaker.follow(course.faults, begun));
        while phones.join_next().await.is_some() {}
        // Nothing is sent to this: coaches let go of it one by one.
        let _ = all_said.recv().await;
        // Receivers that are gone were told enough.
        let _ = end.send(true);
        while readers.join_next().await.is_some() {}
        let _ = stop.send(true);
        broken.join_all().await;
        followed
    };
    let log = folder.join("delays.hgrm");
    let sampling = sample(&tally, &ledger, target, live, &log, begun, stopped);
    let renewing = target.tokens.keep(target, &tally);
    let (followed, intervals) = tokio::select! {
        driven = async { tokio::join!(until, sampling) } => driven,
        never = renewing => match never {},
    };
    let aborted = followed?;
    let ((intervals, processor), seconds) = (intervals?, begun.elapsed().as_secs_f64());
    let mut asked = Ok(());
    if !target.is_echo {
        reconcile(target, &ledger, run).await?;
        asked = ask_across(target, &ledger, run).await;
    }
    let ledger = std::mem::take(&mut *ledger.lock().unwrap_or_else(PoisonError::into_inner)).settle();
    // Of a server that is gone, the ledger says what is lost.
    if ledger.lost == 0 {
        asked?;
    }
    let version = intervals.iter().rev().find_map(|interval| host::server_version(interval.server.as_ref()?));
    Ok(Results {
        schema: results::SCHEMA,
        run: results::Run {
            name: scenario.name.clone(),
            scenario: scenario.text.clone(),
            seed: scenario.seed,
            started_at: started_at.0,
            seconds,
            target: target.name.clone(),
            database: target.database.map(str::to_owned),
            server_version: version,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            nodes: (target.nodes.count() > 1).then(|| target.nodes.count() as u32),
            workers: None,
        },
        host: host::host(),
        stages: stages(scenario, aborted.as_ref()),
        operations: tally.operations()?,
        intervals,
        faults: tally.faults(),
        ledger,
        generator: Generator {
            lag: tally.lag(),
            cpu_s: host::own_cpu_s() - cpu_s,
            rss_kib: host::own_rss_kib(),
            waited_s: processor.waited_s,
            starved_s: processor.starved_s,
        },
        thresholds: Vec::new(),
        aborted,
        verdict: Verdict::Passed,
    })
}

/// Looks each second whether a threshold is missed that ends the run.
async fn until_hopeless(thresholds: &[Threshold], tally: &Tally, begun: Instant) -> Aborted {
    if !thresholds.iter().any(Threshold::aborts) {
        return std::future::pending().await;
    }
    let mut seconds = tokio::time::interval_at(begun.into(), Duration::from_secs(1));
    loop {
        seconds.tick().await;
        if let Some(aborted) = hopeless(thresholds, &tally.so_far(), begun.elapsed()) {
            return aborted;
        }
    }
}

/// The stages that were, as far as they came.
fn stages(scenario: &Scenario, aborted: Option<&Aborted>) -> Vec<results::Stage> {
    let end = aborted.map_or(f64::INFINITY, |aborted| aborted.at);
    let stages = scenario.laid_out().into_iter().filter(|stage| stage.from < end);
    stages.map(|stage| results::Stage { to: stage.to.min(end), ..stage }).collect()
}

/// Says of each threshold whether it was met, and of the run how it ended.
pub(crate) fn judge(results: &mut Results, scenario: &Scenario) {
    let operations = results.counted();
    results.thresholds = scenario.thresholds.iter().map(|threshold| threshold.judge(&operations)).collect();
    results.verdict = verdict(results, scenario);
}

/// What is broken stays broken however late the generator was; a late generator, and one that had no processor left, says
/// nothing about delays.
pub(crate) fn verdict(results: &Results, scenario: &Scenario) -> Verdict {
    let (ledger, generator) = (&results.ledger, &results.generator);
    let is_late = generator.lag.p99 > u64::from(scenario.lag_max_ms) * 1_000;
    let is_starved = generator.starved_s > scenario.starved_max * results.run.seconds;
    if ledger.lost + ledger.doubled + ledger.reordered + ledger.leaked > 0 {
        Verdict::Broken
    } else if is_late || is_starved {
        Verdict::Invalid
    } else if results.aborted.is_some()
        || results.thresholds.iter().any(|threshold| !threshold.met)
        || results.faults.iter().any(|fault| fault.consistent_after.is_none())
    {
        Verdict::Failed
    } else {
        Verdict::Passed
    }
}
