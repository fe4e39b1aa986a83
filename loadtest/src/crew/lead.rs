//! `spotter-load lead`: one run by several workers, judged as one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use super::watch::Watch;
use super::{Errand, GREETED_WITHIN, MESSAGE_MAX, Part, ToLead, ToWorker, hear, merge, say, token};
use crate::admin::Who;
use crate::chosen::Chosen;
use crate::leave::leave_and_say;
use crate::live::Live;
use crate::results::Verdict;
use crate::run::{NotRun, judge};
use crate::scenario::Scenario;
use crate::target::Account;
use crate::threshold::hopeless;

/// Run a scenario by several workers, and judge it as one run; it needs as many gyms as there are workers
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Example:
  export SPOTTER_LOAD_TOKEN=\"$(head -c 24 /dev/urandom | base64)\"
  spotter-load worker --listen 127.0.0.1:7070 &
  spotter-load worker --listen 127.0.0.1:7071 &
  spotter-load lead gym-evening --workers 127.0.0.1:7070,127.0.0.1:7071 \\
      --target ws://127.0.0.1:8080 --admin http://127.0.0.1:8081

Exit codes: those of run.")]
pub(crate) struct Lead {
    #[command(flatten)]
    chosen: Chosen,
    /// Where they wait, by commas
    #[arg(long, required = true, value_delimiter = ',', value_name = "HOST:PORT")]
    workers: Vec<String>,
    /// A server that runs already, as the workers reach it: ws://host:port. Several times for the nodes of one
    #[arg(long, value_name = "URL", required = true, requires = "who")]
    target: Vec<String>,
    #[command(flatten)]
    who: Who,
    /// Where that server says how it is, as the first worker reaches it: http://host:port/metrics; by default /metrics of
    /// --admin. Several times for its nodes
    #[arg(long, value_name = "URL")]
    metrics: Vec<String>,
    /// The file of the workers' token; else it is in SPOTTER_LOAD_TOKEN
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Write each second as a line of JSON to standard output, and the summary to standard error
    #[arg(long)]
    json_lines: bool,
    /// Where results.json, report.html, intervals.csv, junit.xml and delays.hgrm are written; by default load-SCENARIO
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Sends the workers, merges what they found, prints the summary and leaves the files.
///
/// # Errors
/// See [`NotRun`].
pub(crate) async fn lead(lead: &Lead) -> Result<Verdict, NotRun> {
    let scenario = lead.chosen.scenario()?;
    let token = token(lead.token_file.as_deref()).map_err(NotRun::Called)?;
    let (count, workers) = (usize::from(scenario.gyms), lead.workers.len());
    if workers > count {
        let why = anyhow!("{workers} workers cannot share {count} gyms: one gym is one worker's");
        return Err(NotRun::Called(why));
    }
    // Gyms that were made go when the run is over, however it ends.
    let (_made, people) = lead.who.come(&scenario, None).await?;
    let errands = lead.errands(&scenario, &people).map_err(NotRun::Called)?;
    let folder = lead.out.clone().unwrap_or_else(|| PathBuf::from(format!("load-{}", scenario.name)));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (tell, mut told) = mpsc::channel(64);
    let mut sent = Vec::new();
    for (number, (address, errand)) in lead.workers.iter().zip(errands).enumerate() {
        sent.push(send(number, address, &token, errand, tell.clone()).await?);
    }
    drop(tell);
    for _ in &sent {
        let (number, said) = next(&mut told).await?;
        if !matches!(said, ToLead::Ready) {
            return Err(anyhow!("worker {} speaks out of turn", lead.workers[number]).into());
        }
    }
    eprintln!("{}: {}", scenario.name, scenario.about);
    for to in &mut sent {
        say(to, &ToWorker::Go).await?;
    }
    let live = Live::begin(&scenario, lead.json_lines)?;
    let parts = listen(&mut told, &mut sent, &scenario, live).await?;
    let mut results = merge::results(&parts)?;
    merge::write_log(&parts, &folder.join("delays.hgrm"))?;
    judge(&mut results, &scenario);
    leave_and_say(&results, &folder, lead.json_lines)?;
    Ok(results.verdict)
}

impl Lead {
    /// The gyms in the order of the file, as evenly as they can be given out.
    fn errands(&self, scenario: &Scenario, people: &[Account]) -> anyhow::Result<Vec<Errand>> {
        let mut gyms: Vec<Vec<&Account>> = Vec::new();
        for account in people {
            match gyms.iter_mut().find(|gym| gym[0].gym == account.gym) {
                Some(gym) => gym.push(account),
                None => gyms.push(vec![account]),
            }
        }
        let (count, workers) = (usize::from(scenario.gyms), self.workers.len());
        anyhow::ensure!(gyms.len() >= count, "the scenario needs {count} gyms, and {} are named", gyms.len());
        gyms.truncate(count);
        let (run, metrics) = (rand::random(), self.who.metrics(&self.metrics)?);
        let errand = |worker: usize| {
            let (first, end) = (worker * count / workers, (worker + 1) * count / workers);
            let stranger = (workers > 1).then(|| gyms[end % count][0].clone());
            Errand {
                scenario: scenario.text.clone(),
                seed: scenario.seed,
                run,
                first_gym: first as u16,
                gyms: (end - first) as u16,
                targets: self.target.clone(),
                metrics: if worker == 0 { metrics.clone() } else { Vec::new() },
                people: gyms[first..end].iter().flatten().map(|account| (*account).clone()).collect(),
                stranger,
            }
        };
        Ok((0..workers).map(errand).collect())
    }
}

/// What a worker said, or why it says no more.
type Said = (usize, Result<ToLead, NotRun>);

/// Gives a worker its errand; from now on what it says goes to `tell`.
async fn send(
    number: usize,
    address: &str,
    token: &str,
    errand: Errand,
    tell: mpsc::Sender<Said>,
) -> Result<OwnedWriteHalf, NotRun> {
    let connected = TcpStream::connect(address).await;
    let stream = connected.with_context(|| format!("worker {address} cannot be reached"))?;
    stream.set_nodelay(true).context("an odd socket")?;
    let (mut from, mut to) = stream.into_split();
    let greeting =
        ToWorker::Greeting { token: token.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    say(&mut to, &greeting).await?;
    let greeted = tokio::time::timeout(GREETED_WITHIN, hear(&mut from, MESSAGE_MAX)).await;
    match greeted.context("it is busy, or no worker")?.context("it is no worker")? {
        ToLead::Welcome => say(&mut to, &ToWorker::Errand(Box::new(errand))).await?,
        ToLead::Refused { code, why } => {
            return Err(NotRun::from_parts(code, anyhow!("worker {address}: {why}")));
        }
        ToLead::Ready | ToLead::Second(_) | ToLead::Done(_) => {
            return Err(anyhow!("worker {address} speaks out of turn").into());
        }
    }
    let address = address.to_owned();
    tokio::spawn(async move {
        loop {
            let said = match hear(&mut from, MESSAGE_MAX).await {
                Ok(ToLead::Refused { code, why }) => {
                    Err(NotRun::from_parts(code, anyhow!("worker {address}: {why}")))
                }
                Ok(said) => Ok(said),
                Err(error) => Err(error.context(format!("worker {address} has gone")).into()),
            };
            let is_last = matches!(said, Err(_) | Ok(ToLead::Done(_)));
            if tell.send((number, said)).await.is_err() || is_last {
                return;
            }
        }
    });
    Ok(to)
}

async fn next(told: &mut mpsc::Receiver<Said>) -> Result<(usize, ToLead), NotRun> {
    let (number, said) = told.recv().await.context("the workers are gone")?;
    Ok((number, said?))
}

/// Shows each second once all who still run have told of it, until all are done; has all end early when a threshold says so.
/// Answers what they found, in their order.
async fn listen(
    told: &mut mpsc::Receiver<Said>,
    workers: &mut [OwnedWriteHalf],
    scenario: &Scenario,
    mut live: Live,
) -> Result<Vec<Part>, NotRun> {
    let mut parts: Vec<Option<Part>> = workers.iter().map(|_| None).collect();
    let mut watch = Watch::new(workers.len());
    let mut may_abort = true;
    while parts.iter().any(Option::is_none) {
        match next(told).await? {
            (_, ToLead::Welcome | ToLead::Ready | ToLead::Refused { .. }) => {}
            (number, ToLead::Second(news)) => watch.told(number, *news),
            (number, ToLead::Done(part)) => {
                watch.done(number);
                parts[number] = Some(*part);
            }
        }
        while let Some(now) = watch.next()? {
            live.show(&now);
            let since = Duration::from_secs_f64(now.interval.at);
            // Afterwards answers are waited for: there is no plan left to end.
            may_abort &= since < scenario.length();
            if !may_abort {
                continue;
            }
            if let Some(aborted) = hopeless(&scenario.thresholds, &watch.so_far(), since) {
                may_abort = false;
                eprintln!("the run {aborted}");
                for to in &mut *workers {
                    // One that is gone, or was done before, needs no telling.
                    let _ = say(to, &ToWorker::End(aborted.clone())).await;
                }
            }
        }
    }
    Ok(parts.into_iter().flatten().collect())
}
