//! What a connection costs that does nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::future::join_all;

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::Findings;
use crate::host::open_files;
use crate::memory::{held, settle};
use crate::server::{Person, Server};

/// The most connections; as many as a process may have with the usual limit of 20,000 files.
const CONNECTIONS_MAX: usize = 19_000;
/// Files that a process has open besides its connections.
const OTHER_FILES: usize = 200;
/// Connections after which all that are there are asked for an answer.
const ASKED_EVERY: usize = 2_000;
/// How long the server's processor time is watched while nobody does anything: what Spotter and the servers it is
/// compared with agree on with their clients for a sign of life.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(25);

/// What a server held and used with none, few and many idle connections.
pub(crate) struct Idle {
    before_kib: f64,
    few: Reading,
    many: Reading,
    /// Connections that the server had closed by the end.
    lost: usize,
}

/// What a server holds and uses.
struct Reading {
    connections: usize,
    kib: f64,
    /// Processor time in microseconds a second.
    busy_us: f64,
}

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (few, many, watched) = match plan.quick {
        true => (50, 200, Duration::from_secs(2)),
        false => (1_000, CONNECTIONS_MAX.min(files()?.saturating_sub(OTHER_FILES + 1)), HEARTBEAT),
    };
    ensure_files(many.max(few))?;
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(many).await?;
    server.start().await?;
    let idle = hold(&server, &people, few, watched).await?;
    server.stop().await?;
    let (before, after) = (idle.before_kib, idle.many.kib);
    let mut findings = Findings::of(format!(
        "{many} athletes connect, say hello and follow a session of their own that is at rest; resident memory of the \
         server before ({:.1} MiB) and after ({:.1} MiB). The slope is from {few} to {many} connections, without what \
         the first ones warm up. Each reading is of a server that has held the same for two seconds. Then its processor \
         time is read for {} s, in which nobody does anything but give a sign of life in time. Each \
         connection answers a ping afterwards. Kernel memory of sockets is not in it.",
        before / 1024.0,
        after / 1024.0,
        watched.as_secs()
    ));
    let per_connection = (after - before) / many as f64;
    findings.at_most(&format!("RSS per idle subscribed connection, {many}"), 6.0, per_connection, "KiB", "");
    findings.plain(&format!("the same, slope {few} → {many}"), idle.kib_slope(), "KiB", "");
    let each = idle.many.busy_us / many as f64;
    findings.at_most("server CPU per idle connection and second", 2.0, each, "µs", "");
    findings.plain(&format!("the same, slope {few} → {many}"), idle.busy_us_slope(), "µs", "");
    findings.invalid = idle.invalid();
    Ok(findings)
}

/// Connects `people`, each with a session of their own that is at rest, and reads what the server holds and uses once
/// `few` of them are there and once all are. Its processor time is watched so long. The server is started anew on the
/// way.
///
/// # Errors
/// When somebody cannot connect, or the server's memory does not become steady.
pub(crate) async fn hold(
    server: &Server,
    people: &[Person],
    few: usize,
    watched: Duration,
) -> anyhow::Result<Idle> {
    let mut sessions = Vec::new();
    for person in people {
        let mut athlete = Athlete::connect(server, person).await?;
        athlete.log(1).await?;
        sessions.push(athlete.session);
    }
    // Started anew, the sessions rest: what is measured is the connection.
    server.stop().await?;
    server.start().await?;
    settle(server, &people[0]).await?;
    let before_kib = held(server, &mut [Athlete::connect(server, &people[0]).await?]).await?;
    let mut connected = Vec::new();
    let mut at_few = Reading { connections: 0, kib: before_kib, busy_us: 0.0 };
    for (person, session) in people.iter().zip(&sessions) {
        let mut athlete = Athlete::connect(server, person).await?;
        athlete.follow(*session).await?;
        connected.push(athlete);
        if connected.len().is_multiple_of(ASKED_EVERY) {
            // It takes minutes until all are there, and who is silent for one is closed.
            lost(&mut connected).await;
        }
        if connected.len() == few {
            at_few = Reading::take(server, &mut connected, watched).await?;
        }
    }
    lost(&mut connected).await;
    let many = Reading::take(server, &mut connected, watched).await?;
    // One that the server has closed costs nothing.
    Ok(Idle { before_kib, few: at_few, many, lost: lost(&mut connected).await })
}

impl Idle {
    /// Resident memory of one more connection, in KiB.
    pub(crate) fn kib_slope(&self) -> f64 {
        self.slope(|reading| reading.kib)
    }

    /// Processor time of one more connection, in microseconds a second.
    pub(crate) fn busy_us_slope(&self) -> f64 {
        self.slope(|reading| reading.busy_us)
    }

    /// Why the load was not what it should have been, when it was not.
    pub(crate) fn invalid(&self) -> Option<String> {
        let (lost, many) = (self.lost, self.many.connections);
        (lost > 0).then(|| format!("{lost} of {many} connections were closed when memory was read"))
    }

    fn slope(&self, of: fn(&Reading) -> f64) -> f64 {
        (of(&self.many) - of(&self.few)) / (self.many.connections - self.few.connections) as f64
    }
}

impl Reading {
    /// Waits until the server's memory is steady, then watches its processor time.
    async fn take(server: &Server, connected: &mut [Athlete], watched: Duration) -> anyhow::Result<Self> {
        let kib = held(server, connected).await?;
        let busy_us = busy(server, connected, watched).await?;
        Ok(Self { connections: connected.len(), kib, busy_us })
    }
}

/// Asks all of them for an answer; how many the server no longer holds.
async fn lost(connected: &mut [Athlete]) -> usize {
    let mut lost = 0;
    for athlete in connected {
        lost += usize::from(!athlete.is_connected().await);
    }
    lost
}

/// The server's processor time in microseconds a second, while nobody does anything but give the sign of life that
/// the protocol asks for.
async fn busy(server: &Server, connected: &mut [Athlete], watched: Duration) -> anyhow::Result<f64> {
    let (before, begun) = (server.cpu_s()?, Instant::now());
    let living = connected.iter_mut().map(async |athlete| while athlete.wire.next().await.is_ok() {});
    // It ends early when the server has closed all of them.
    _ = tokio::time::timeout(watched, join_all(living)).await;
    Ok((server.cpu_s()? - before) * 1e6 / begun.elapsed().as_secs_f64())
}

/// Checks that this process may open that many sockets.
pub(crate) fn ensure_files(sockets: usize) -> anyhow::Result<()> {
    ensure!(
        files()? > sockets + OTHER_FILES,
        "{sockets} sockets are more than this shell lets a process open: run `ulimit -n {}` first",
        2 * sockets
    );
    Ok(())
}

/// How many files this process may have open; a server that it starts has the same limit.
fn files() -> anyhow::Result<usize> {
    let (soft, _) = open_files().context("the limit of open files cannot be read")?;
    Ok(usize::try_from(soft).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(lost: usize) -> Idle {
        let few = Reading { connections: 1_000, kib: 90_000.0, busy_us: 500.0 };
        let many = Reading { connections: 5_000, kib: 110_000.0, busy_us: 8_500.0 };
        Idle { before_kib: 60_000.0, few, many, lost }
    }

    #[test]
    fn a_slope_leaves_out_what_the_first_connections_warm_up() {
        assert!((idle(0).kib_slope() - 5.0).abs() < 1e-9);
        assert!((idle(0).busy_us_slope() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn connections_that_were_closed_make_a_measurement_invalid() {
        assert_eq!(idle(0).invalid(), None);
        assert!(idle(1).invalid().is_some_and(|why| why.starts_with("1 of 5000 connections were closed")));
    }
}
