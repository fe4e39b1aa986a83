//! `spotter-load`: measures a server of Spotter from outside, as its users meet it. It starts the server
//! itself, on loopback, and knows nothing of it but its command line and its protocol.
//!
//! Exit codes: 0 it ran (missed aims stand in the table), 1 it failed, 2 it was called wrongly, 97 the load
//! was not what it should have been, 98 the server lost, doubled or reordered something.

mod athlete;
mod figures;
mod idle;
mod latency;
mod line;
mod memory;
mod pacer;
mod postgres;
mod report;
mod server;
mod sessions;
mod socketio;
mod start;
mod throughput;
mod wake;
mod wall;
mod yardsticks;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use postgres::Postgres;
use report::{Measurement, Verdict};
use server::Kind;
use yardsticks::Yardsticks;

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
    Yardsticks(Yardsticks),
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
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&command)) {
        Ok(Verdict::Ran) => ExitCode::SUCCESS,
        Ok(Verdict::Invalid) => ExitCode::from(97),
        Ok(Verdict::Broken) => ExitCode::from(98),
        Ok(Verdict::Failed) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures until done or told to stop; either way the server it started ends with it.
async fn run(command: &Command) -> anyhow::Result<Verdict> {
    let mut terminate = signal(SignalKind::terminate())?;
    let measuring = async {
        match command {
            Command::Bench(bench) => report::bench(bench).await,
            Command::Yardsticks(asked) => yardsticks::compare(asked).await,
        }
    };
    tokio::select! {
        verdict = measuring => verdict,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("told to stop"),
    }
}
