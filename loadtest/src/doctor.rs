//! `spotter-load doctor`: what this machine lets a generator do, and what to do about it. It changes nothing,
//! and asks the target one thing at a time.

mod machine;
mod target;

use std::fmt;
use std::process::ExitCode;

/// The exit code for a target that does not answer.
const UNREACHABLE: u8 = 3;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The server to be measured, as ws://HOST:PORT
    #[arg(long)]
    target: Option<String>,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// As it should be.
    Ok,
    /// A run is possible, and limited or blurred by it.
    Warn,
    /// No run is possible.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    name: &'static str,
    /// What was found, and what to do about it.
    said: String,
}

impl Finding {
    fn of(level: Level, name: &'static str, said: impl Into<String>) -> Self {
        Self { level, name, said: said.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level:<5} {}: {}", self.name, self.said)
    }
}

/// Looks at the machine, and at the target where there is one; prints what was found. Answers 0, or 3 when the
/// target does not answer.
pub(crate) fn doctor(asked: &Doctor) -> ExitCode {
    let mut findings = machine::look();
    if let Some(target) = &asked.target {
        findings.push(target::look(target));
    }
    for finding in &findings {
        println!("{finding}");
    }
    let worst = findings.iter().map(|finding| finding.level).max();
    if worst == Some(Level::Fail) { ExitCode::from(UNREACHABLE) } else { ExitCode::SUCCESS }
}
