//! A process of another program that ends with this one, also when this one is killed: a small shell keeps it, and reads
//! a pipe that closes then.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// How long a start may take; a database may have to replay a log.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Where it says what it says, in its folder.
const LOG: &str = "log";
/// Runs the process until a line names the signal that ends it, or the pipe closes.
const SHELL: &str = include_str!("../../scripts/keeper.sh");

/// The shell that keeps a running process.
#[derive(Debug)]
pub(crate) struct Keeper {
    shell: Child,
    orders: ChildStdin,
    kept: u32,
}

impl Keeper {
    /// Starts a program with its arguments, as the user and group named, if any. `folder` is its own.
    ///
    /// # Errors
    /// When there is no shell to keep it.
    pub(crate) async fn start(
        folder: &Path,
        user: Option<(u32, u32)>,
        program: &Path,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SHELL, "keeper"]).arg(folder).arg(program).args(arguments);
        // The folder this process runs in may not be one that the program can read.
        shell.current_dir("/");
        if let Some((user, group)) = user {
            shell.uid(user).gid(group);
        }
        // In a group of its own, an interrupt from the keyboard does not reach it before the run has ended.
        let mut shell = shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (orders, said) = (shell.stdin.take(), shell.stdout.take());
        let (orders, said) = orders.zip(said).context("the shell has no pipes")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).await?;
        let kept = line.trim().parse().with_context(|| format!("{} does not start", program.display()))?;
        Ok(Self { shell, orders, kept })
    }

    /// The process.
    pub(crate) const fn id(&self) -> u32 {
        self.kept
    }

    /// Ends the process by the signal of that name, and waits until it has ended.
    ///
    /// # Errors
    /// When the shell is gone.
    pub(crate) async fn end(mut self, signal: &str) -> anyhow::Result<()> {
        self.orders.write_all(format!("{signal}\n").as_bytes()).await?;
        self.shell.wait().await?;
        Ok(())
    }
}

/// Waits until the process `id`, whose folder that is, is ready.
///
/// # Errors
/// When it ends before, or takes too long: the end of what it said.
pub(crate) async fn until_ready(
    id: u32,
    folder: &Path,
    name: &str,
    is_ready: impl AsyncFn() -> bool,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_ready().await {
        ensure!(
            runs(id) && begun.elapsed() < READY_WITHIN,
            "{name} does not start: {}",
            fs::read_to_string(folder.join(LOG)).unwrap_or_default().trim()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Whether a process has not ended. One that has is a zombie until the shell looks.
fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}
