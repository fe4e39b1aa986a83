//! Whether a database is one to serve from: reachable, fast and as durable as what is promised of it. It changes
//! nothing that stays.

mod file;
mod redis;
mod server;

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::db::Pool;
use crate::node;
use crate::store::{Database, OpenError, migrations};

/// Durable commits that are measured.
const COMMITS: usize = 50;
/// A median commit above this makes people wait.
const SLOW: Duration = Duration::from_millis(20);
/// Free space under which a disk is nearly full, and under which it is as good as full, in bytes.
const LITTLE_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 64 << 20;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It serves, and somebody should look at it.
    Warn,
    /// It does not serve, or loses what it acknowledges.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub name: &'static str,
    /// What was found, and what to do.
    pub said: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        write!(f, "{level:<5} {}: {}", self.name, self.said)
    }
}

/// What was found so far.
#[derive(Default)]
struct Chart(Vec<Line>);

impl Chart {
    fn add(&mut self, level: Level, name: &'static str, said: impl Into<String>) {
        self.0.push(Line { level, name, said: said.into() });
    }

    fn ok(&mut self, name: &'static str, said: impl Into<String>) {
        self.add(Level::Ok, name, said);
    }

    fn warn(&mut self, name: &'static str, said: impl Into<String>) {
        self.add(Level::Warn, name, said);
    }

    fn fail(&mut self, name: &'static str, said: impl Into<String>) {
        self.add(Level::Fail, name, said);
    }

    /// Adds what a look at one thing found, or that it could not be looked at.
    fn looked(&mut self, name: &'static str, look: sqlx::Result<()>) {
        if let Err(error) = look {
            self.fail(name, format!("cannot be looked at: {error}"));
        }
    }
}

/// Looks at everything, in some seconds.
///
/// # Errors
/// When the settings name no database. What is wrong with one that they name is among the lines.
pub async fn examine(config: &Config) -> anyhow::Result<Vec<Line>> {
    let mut chart = Chart::default();
    match node::database(config)? {
        Database::File(path) => file::examine(&path, &config.data_dir, &mut chart).await,
        Database::Server(server) => {
            server::examine(&server, &mut chart).await;
            if !config.cluster.redis.is_empty() {
                redis::examine(&config.cluster.redis, &mut chart).await;
            }
            // The keys lie there.
            space(&config.data_dir, &mut chart);
        }
    }
    Ok(chart.0)
}

/// Compares the tables with those of this build.
async fn tables(pool: &Pool, name: &str, chart: &mut Chart) {
    match migrations::compare(pool, name).await {
        Ok(Ok(changes)) => chart.ok("tables", format!("up to date: {changes} of {changes} changes")),
        Ok(Err(OpenError::Behind { missing, .. })) => {
            chart.warn(
                "tables",
                format!("{missing} changes of this build are missing: run `spotter migrate`"),
            );
        }
        Ok(Err(error)) => {
            chart.fail("tables", format!("{error}: use that build, or a backup from before it"))
        }
        Err(error) => chart.fail("tables", format!("cannot be read: {error}")),
    }
}

/// Measures durable commits, one after another.
async fn commits(mut commit: impl AsyncFnMut() -> sqlx::Result<()>, chart: &mut Chart) -> sqlx::Result<()> {
    let mut took = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        let begun = Instant::now();
        commit().await?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let (median, worst) = (took[COMMITS / 2], took[COMMITS - 1]);
    let said = format!("median {}, worst {} of {COMMITS}", shown(median), shown(worst));
    if median > SLOW {
        let said = format!("{said}: every acknowledgement waits for one; use a disk that flushes faster");
        chart.warn("durable commit", said);
    } else {
        chart.ok("durable commit", said);
    }
    Ok(())
}

/// Looks how much room is left where a folder is, or will be.
fn space(folder: &Path, chart: &mut Chart) {
    const NAME: &str = "disk space";
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let free = match rustix::fs::statvfs(there) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return chart.warn(NAME, format!("of {} is not known: {error}", there.display())),
    };
    let said = format!("{} MiB free at {}", free >> 20, there.display());
    match free {
        0..NO_SPACE => chart.fail(NAME, format!("{said}: make room, nothing can be stored")),
        NO_SPACE..LITTLE_SPACE => chart.warn(NAME, format!("{said}: make room soon")),
        LITTLE_SPACE.. => chart.ok(NAME, said),
    }
}

/// A short time as people read it.
fn shown(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
