//! `spotter-load worker`: waits for a lead, and does its part of a run.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::{
    Errand, GREETED_WITHIN, GREETING_MAX, MESSAGE_MAX, News, Part, ToLead, ToWorker, hear, is_same, say,
    token,
};
use crate::fault::{self, Reach};
use crate::idle::ensure_files;
use crate::ledger::run_from;
use crate::live::Live;
use crate::results::Aborted;
use crate::run::{Course, NotRun, drive};
use crate::scenario::Scenario;
use crate::schedule::{part, plan};
use crate::target::{Running, Target};

/// How long the people of other workers may take to sign in and come.
const GO_WITHIN: Duration = Duration::from_secs(600);
/// How long a lead may take to take a message. It bounds what waits for one that does not listen.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// Wait for a lead, and do its part of a run
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Example:
  SPOTTER_LOAD_TOKEN=… spotter-load worker --listen 127.0.0.1:7070

Whoever has the token can have this worker load this machine, or the host of --i-own, and nothing else. Neither the token nor the
passwords of the people are encrypted on the way: beyond one machine, use a network that you trust.")]
pub(crate) struct Worker {
    /// Where leads come
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Listen on this address although others than this machine reach it
    #[arg(long, value_name = "ADDRESS")]
    expose: Option<std::net::IpAddr>,
    /// The file of the token; else it is in SPOTTER_LOAD_TOKEN
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Load this host although it is not this machine, when a lead says so: it is yours
    #[arg(long, value_name = "HOST")]
    i_own: Option<String>,
}

/// Does what leads ask for, one after another, until told to stop.
///
/// # Errors
/// When it may not or cannot listen.
pub(crate) async fn worker(worker: &Worker) -> Result<(), NotRun> {
    let token = token(worker.token_file.as_deref()).map_err(NotRun::Called)?;
    let address = worker.listen.ip();
    if !address.is_loopback() && worker.expose != Some(address) {
        return Err(NotRun::Called(anyhow!(
            "others than this machine reach {address}: if they may, say so with --expose {address}"
        )));
    }
    let listener = TcpListener::bind(worker.listen).await.context("cannot listen")?;
    println!("waiting for a lead on {}", listener.local_addr().context("cannot listen")?);
    loop {
        let (stream, from) = listener.accept().await.context("cannot listen")?;
        match serve(worker, &token, stream).await {
            Ok(()) => eprintln!("done for {from}"),
            Err(error) => eprintln!("not done for {from}: {error:#}"),
        }
    }
}

async fn serve(worker: &Worker, token: &str, stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut from, mut to) = stream.into_split();
    let greeted = tokio::time::timeout(GREETED_WITHIN, greet(&mut from, &mut to, token)).await;
    let errand = greeted.context("it does not say what it wants")??;
    let (go, goes) = oneshot::channel();
    let (end, ends) = oneshot::channel();
    let listening = listen(from, go, end);
    let (tell, told) = mpsc::unbounded_channel();
    let doing = async {
        let end = match work(worker, errand, goes, ends, &tell).await {
            Ok(part) => ToLead::Done(Box::new(part)),
            Err(not_run) => {
                let (code, error) = not_run.parts();
                ToLead::Refused { code, why: format!("{error:#}") }
            }
        };
        let outcome = match &end {
            ToLead::Refused { why, .. } => Err(anyhow!(why.clone())),
            ToLead::Welcome | ToLead::Ready | ToLead::Second(_) | ToLead::Done(_) => Ok(()),
        };
        // A lead that is gone needs no answer.
        let _ = tell.send(end);
        drop(tell);
        Ok(outcome)
    };
    // A run without its lead would go on for nobody.
    tokio::select! {
        biased;
        done = async { tokio::try_join!(doing, forward(told, to)) } => done?.0,
        never = listening => match never? {},
    }
}

/// The errand of a lead that has the token.
async fn greet(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, token: &str) -> anyhow::Result<Errand> {
    let refused = match hear(from, GREETING_MAX).await? {
        ToWorker::Greeting { token: theirs, .. } if !is_same(token, &theirs) => {
            Some("its token is not the worker's".to_owned())
        }
        ToWorker::Greeting { version, .. } if version != env!("CARGO_PKG_VERSION") => {
            Some(format!("it is version {version}, the worker {}", env!("CARGO_PKG_VERSION")))
        }
        ToWorker::Greeting { .. } => None,
        ToWorker::Errand(_) | ToWorker::Go | ToWorker::End(_) => Some("it does not say who it is".to_owned()),
    };
    if let Some(why) = refused {
        say(to, &ToLead::Refused { code: 2, why: format!("the lead is refused: {why}") }).await?;
        bail!(why);
    }
    say(to, &ToLead::Welcome).await?;
    match hear(from, MESSAGE_MAX).await? {
        ToWorker::Errand(errand) => Ok(*errand),
        ToWorker::Greeting { .. } | ToWorker::Go | ToWorker::End(_) => bail!("it has no errand"),
    }
}

/// Hands on what a lead says while its errand is done.
///
/// # Errors
/// When it is gone, or says something else.
async fn listen(
    mut from: OwnedReadHalf,
    go: oneshot::Sender<()>,
    end: oneshot::Sender<Aborted>,
) -> anyhow::Result<Infallible> {
    let mut next = async || hear(&mut from, MESSAGE_MAX).await.context("the lead has gone");
    // A run that came to nothing before has told the lead so.
    if let ToWorker::Go = next().await? {
        let _ = go.send(());
        if let ToWorker::End(aborted) = next().await? {
            let _ = end.send(aborted);
            let _: ToWorker = next().await?;
        }
    }
    bail!("the lead speaks out of turn")
}

async fn forward(mut told: mpsc::UnboundedReceiver<ToLead>, mut to: OwnedWriteHalf) -> anyhow::Result<()> {
    while let Some(message) = told.recv().await {
        let taken = tokio::time::timeout(TAKEN_WITHIN, say(&mut to, &message)).await;
        taken.context("the lead does not listen")?.context("the lead has gone")?;
    }
    Ok(())
}

async fn work(
    worker: &Worker,
    errand: Errand,
    goes: oneshot::Receiver<()>,
    ends: oneshot::Receiver<Aborted>,
    tell: &mpsc::UnboundedSender<ToLead>,
) -> Result<Part, NotRun> {
    let whole = Scenario { seed: errand.seed, ..Scenario::read(errand.scenario).map_err(NotRun::Called)? };
    let run = run_from(errand.run, errand.first_gym);
    let gyms = errand.first_gym..errand.first_gym.saturating_add(errand.gyms);
    if gyms.is_empty() || gyms.end > whole.gyms {
        return Err(NotRun::Called(anyhow!("the scenario has no gyms {gyms:?}")));
    }
    // The lead judges all parts as one.
    let mine = Scenario { gyms: errand.gyms, thresholds: Vec::new(), ..whole.clone() };
    let reach = Reach { readers: mine.readers() > 0, nodes: 0, postgres: false, redis: false };
    let faults = fault::plan(&mine, reach, false).map_err(NotRun::Called)?;
    ensure_files((mine.athletes() + mine.readers()) as usize).map_err(NotRun::Called)?;
    let running = Running {
        urls: &errand.targets,
        allowed: worker.i_own.as_deref(),
        metrics: &errand.metrics,
        people: &errand.people,
        stranger: errand.stranger.as_ref(),
    };
    let target = Target::join(&running, &mine).await?;
    let folder = tempfile::tempdir().context("no place for the log")?;
    let go = async {
        tell.send(ToLead::Ready)?;
        let went = tokio::time::timeout(GO_WITHIN, goes).await;
        Ok(went.context("the lead waits too long for the others")??)
    };
    let teller = tell.clone();
    let live = Live::Told(Box::new(move |now| {
        let said = match News::of(now) {
            Ok(news) => ToLead::Second(Box::new(news)),
            Err(error) => ToLead::Refused { code: 1, why: format!("{error:#}") },
        };
        // A lead that is gone needs to know no more.
        drop(teller.send(said));
    }));
    let called_off = async {
        match ends.await {
            Ok(aborted) => aborted,
            Err(_) => std::future::pending().await,
        }
    };
    let planned = Course::new(part(plan(&whole), &whole, gyms), mine.length());
    let course = Course { faults, run, called_off: Box::pin(called_off), ..planned };
    let results = drive(&mine, course, &target, folder.path(), live, go).await?;
    let log = folder.path().join("delays.hgrm");
    let log = std::fs::read_to_string(log).context("the log cannot be read")?;
    Ok(Part { results, log })
}
