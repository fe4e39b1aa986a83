//! `spotter-load`: measures a server of Spotter from outside, as its users meet it. It starts the server
//! itself, on loopback, and knows nothing of it but its command line and its protocol.
//!
//! Exit codes: 0 it ran (missed aims stand in the table), 1 it failed, 2 it was called wrongly, 97 the load
//! was not what it should have been, 98 the server lost, doubled or reordered something.

mod athlete;
mod figures;
mod idle;
mod latency;
mod pacer;
mod report;
mod server;
mod sessions;
mod start;
mod throughput;
mod wall;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use report::Verdict;

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
}

#[derive(Clone, Debug, clap::Args)]
struct Bench {
    /// The server's program
    #[arg(long)]
    server: PathBuf,
    /// Where the table is written, besides standard output
    #[arg(long)]
    out: Option<PathBuf>,
    /// Small counts, to see that it works; the figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Only these: idle, throughput, latency, start, sessions, wall
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

fn main() -> ExitCode {
    let Command::Bench(bench) = Cli::parse().command;
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(report::bench(&bench)) {
        Ok(Verdict::Ran) => ExitCode::SUCCESS,
        Ok(Verdict::Invalid) => ExitCode::from(97),
        Ok(Verdict::Broken) => ExitCode::from(98),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
