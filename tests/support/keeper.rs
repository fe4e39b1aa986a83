//! A process of another program that ends with what started it, also when a test panics or is killed: a small shell
//! keeps it, and reads a pipe that closes then.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take before the test gives up. A database may have to replay a log.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where it says what it says, in its folder.
const LOG: &str = "log";
/// Runs the process until a line names the signal that ends it, or the pipe closes.
const SHELL: &str = include_str!("../../scripts/keeper.sh");

/// The shell that keeps a running process.
pub struct Keeper {
    shell: Child,
    kept: u32,
}

impl Keeper {
    /// Starts a program with its arguments, as the user and group named, if any. `folder` is its own.
    pub fn start(folder: &Path, user: Option<(u32, u32)>, program: &Path, arguments: &[String]) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SHELL, "keeper"]).arg(folder).arg(program).args(arguments);
        // The folder it is begun in may not be one that it can read.
        shell.current_dir("/");
        if let Some((user, group)) = user {
            shell.uid(user).gid(group);
        }
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { shell, kept: line.trim().parse().expect("a process id") }
    }

    /// The process itself.
    pub fn pid(&self) -> u32 {
        self.kept
    }

    /// Waits until the process, whose folder that is, is ready.
    pub fn wait_until(&self, folder: &Path, reached: impl Fn() -> bool, what: &str) {
        let begun = Instant::now();
        while !reached() {
            assert!(begun.elapsed() < PATIENCE && !self.has_ended(), "{what}; it said:\n{}", log(folder));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether the process has ended, by itself or otherwise.
    pub fn has_ended(&self) -> bool {
        state_and_parent(self.kept).is_none_or(|(state, _)| state == 'Z')
    }

    /// Ends the process by the signal of that name, and waits until it has ended.
    pub fn end(mut self, signal: &str) {
        let mut pipe = self.shell.stdin.take().unwrap();
        writeln!(pipe, "{signal}").unwrap();
        self.shell.wait().unwrap();
    }
}

/// What the process of a folder has said.
pub fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join(LOG)).unwrap_or_default()
}

/// What the system says a process does, and who began it.
pub fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
