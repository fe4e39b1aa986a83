//! `spotter-load`: measures a server of Spotter from outside, as its users meet it. It knows nothing of it but its
//! command line and its protocol.
//!
//! `bench` makes the table of docs/benchmarks.md; `run` drives a scenario and judges it, `lead` has several `worker`s do so
//! together; `capacity` looks for the largest rate at which it passes, `soak` drives it for long, `replay` plays real logs;
//! `compare` and `report` read what runs leave behind; `echo` measures the harness itself.
//!
//! Exit codes: 0 it ran (missed aims and refused loads of `bench` stand in the table), 1 it failed, 2 it was called
//! wrongly, 3 the target cannot be reached, 97 the load was not what it should have been, 98 the server lost, doubled,
//! reordered or leaked something, 99 a threshold was missed, or a regression.

mod admin;
mod arrivals;
mod athlete;
mod away;
mod capacity;
mod chosen;
mod cluster;
mod coach;
mod compare;
mod crew;
mod crowd;
mod disk;
mod doctor;
mod echo;
#[cfg(test)]
mod example;
mod fanout;
mod fault;
mod figures;
mod history;
mod host;
mod html;
mod idle;
mod keeper;
mod latency;
mod leave;
mod ledger;
mod line;
mod live;
mod logbook;
mod memory;
mod nodes;
mod out;
mod pacer;
mod people;
mod phone;
mod place;
mod postgres;
mod processor;
mod rate;
mod reader;
mod reconcile;
mod redis;
mod replay;
mod report;
mod results;
mod run;
mod sampler;
mod saved;
mod scenario;
mod schedule;
mod server;
mod sessions;
mod shown;
mod soak;
mod socketio;
mod start;
mod steady;
mod storm;
mod talk;
mod tally;
mod target;
mod threshold;
mod throughput;
mod tokens;
mod units;
mod wake;
mod wall;
mod wire;
mod yardsticks;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use postgres::Postgres;
use report::{Measurement, Verdict};
use server::Kind;

/// Load harness for Spotter.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure every figure of docs/benchmarks.md on a server it starts itself
    #[command(
        after_help = "Example:\n  spotter-load bench --server target/release/spotter --out docs/benchmarks.md"
    )]
    Bench(Bench),
    /// Measure Spotter beside servers that do the same work without the engine
    #[command(
        after_help = "Example:\n  spotter-load yardsticks --server target/release/spotter --postgres postgres://spotter@127.0.0.1:5432 \
                      --postmaster 4321 --bare target/bare/release/bare --socketio loadtest/yardsticks/socketio"
    )]
    Yardsticks(yardsticks::Yardsticks),
    Run(run::Run),
    Lead(crew::Lead),
    Worker(crew::Worker),
    /// Find the largest rate at which a server meets the thresholds of a scenario
    #[command(after_help = capacity::HOW)]
    Capacity(capacity::Capacity),
    /// Do what a scenario does for long, and judge what grows
    #[command(after_help = soak::HOW)]
    Soak(soak::Soak),
    /// Play real training logs as live sessions in several gyms
    #[command(after_help = replay::HOW)]
    Replay(replay::Replay),
    /// Say whether a run is better or worse than another of the same scenario
    #[command(after_help = compare::HOW)]
    Compare(compare::Compare),
    /// Write a run as one page of HTML that needs nothing else
    #[command(after_help = "Example:\n  spotter-load report results.json --out report.html")]
    Report(html::Report),
    /// Say what this machine lets a generator do, and what to do about it
    #[command(after_help = "Example:\n  spotter-load doctor --target ws://127.0.0.1:8080")]
    Doctor(doctor::Doctor),
    /// Holds connections for `bench`, which starts several of these: it writes what to do to standard input
    #[command(hide = true)]
    Hold(crowd::Hold),
    /// Say how late the harness itself is and what it costs, against a server that only answers
    #[command(after_help = "Example:\n  spotter-load echo --per-second 20000 --seconds 10\n\n\
        Exit codes: 0 its lag p99 is under 1 ms, 97 it is not.")]
    Echo(echo::Echo),
}

#[derive(Clone, Debug, clap::Args)]
struct Bench {
    /// The server's program
    #[arg(long, value_parser = program)]
    server: PathBuf,
    /// Where the table is written, besides standard output
    #[arg(long)]
    out: Option<PathBuf>,
    /// Measure on this PostgreSQL server too, as a user who may make databases: postgres://user@host:port
    #[arg(long)]
    postgres: Option<String>,
    /// The first process of that server, when it runs on this machine: its processor time is measured then
    #[arg(long, requires = "postgres")]
    postmaster: Option<u32>,
    /// Small counts, to see that it works; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Measurement>,
}

/// What is measured, and on what.
#[derive(Clone, Debug)]
struct Plan {
    kind: Kind,
    /// Its program, or its folder.
    server: PathBuf,
    quick: bool,
    /// The server that keeps the journal; SQLite where there is none.
    postgres: Option<Postgres>,
}

impl Plan {
    const fn database(&self) -> &'static str {
        if self.postgres.is_some() { "PostgreSQL" } else { "SQLite" }
    }
}

fn program(path: &str) -> Result<PathBuf, String> {
    let program = PathBuf::from(path).canonicalize().map_err(|error| error.to_string())?;
    if program.is_file() { Ok(program) } else { Err("no program".to_owned()) }
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Bench(bench) => live(bench_code(&bench)),
        Command::Yardsticks(asked) => live(yardsticks_code(&asked)),
        Command::Run(asked) => live(judged(run::run(&asked))),
        Command::Lead(asked) => live(judged(crew::lead(&asked))),
        Command::Worker(asked) => {
            live(judged(async { crew::worker(&asked).await.map(|()| results::Verdict::Passed) }))
        }
        Command::Capacity(asked) => live(judged(capacity::capacity(&asked))),
        Command::Soak(asked) => live(judged(soak::soak(&asked))),
        Command::Replay(asked) => live(judged(replay::replay(&asked))),
        Command::Compare(asked) => ended(compare::compare(&asked)),
        Command::Report(asked) => ended(html::report(&asked).map(|()| ExitCode::SUCCESS)),
        Command::Doctor(asked) => doctor::doctor(&asked),
        Command::Hold(asked) => live(judged(async { Ok(crowd::hold(&asked).await?) })),
        Command::Echo(asked) => live(judged(async { Ok(echo::echo(&asked).await?) })),
    }
}

/// Does something with a server until it is done or told to stop; either way the server it started ends with it.
fn live(doing: impl Future<Output = ExitCode>) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into(), ExitCode::FAILURE),
    };
    let code = runtime.block_on(told_to_stop(doing));
    // Whoever was told to stop does not wait for the plan to end.
    runtime.shutdown_background();
    code
}

/// The threads of the load. Half of the processors are for the server, which is mostly beside it; and threads that have
/// little to do cost more to wake than they help.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread().worker_threads((processors / 2).max(1)).enable_all().build()
}

async fn told_to_stop(doing: impl Future<Output = ExitCode>) -> ExitCode {
    let mut terminate = match signal(SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(error) => return failed(&error.into(), ExitCode::FAILURE),
    };
    tokio::select! {
        code = doing => code,
        _ = tokio::signal::ctrl_c() => failed(&anyhow!("interrupted"), ExitCode::FAILURE),
        _ = terminate.recv() => failed(&anyhow!("told to stop"), ExitCode::FAILURE),
    }
}

async fn bench_code(bench: &Bench) -> ExitCode {
    measured(report::bench(bench).await)
}

async fn yardsticks_code(asked: &yardsticks::Yardsticks) -> ExitCode {
    measured(yardsticks::compare(asked).await)
}

fn measured(verdict: anyhow::Result<Verdict>) -> ExitCode {
    match verdict {
        Ok(Verdict::Ran) => ExitCode::SUCCESS,
        Ok(Verdict::Invalid) => ExitCode::from(97),
        Ok(Verdict::Broken) => ExitCode::from(98),
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => failed(&error, ExitCode::FAILURE),
    }
}

async fn judged(run: impl Future<Output = Result<results::Verdict, run::NotRun>>) -> ExitCode {
    match run.await {
        Ok(results::Verdict::Passed) => ExitCode::SUCCESS,
        Ok(results::Verdict::Invalid) => ExitCode::from(97),
        Ok(results::Verdict::Broken) => ExitCode::from(98),
        Ok(results::Verdict::Failed) => ExitCode::from(99),
        Err(not_run) => {
            let (code, error) = not_run.parts();
            failed(&error, ExitCode::from(code))
        }
    }
}

/// How a command ends that reads files: the wrong ones are a wrong call.
fn ended(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| failed(&error, ExitCode::from(2)))
}

fn failed(error: &anyhow::Error, code: ExitCode) -> ExitCode {
    eprintln!("error: {error:#}");
    code
}
