//! What a connection costs that does nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::Findings;
use crate::host::open_files;
use crate::memory::{held, settle};
use crate::server::Server;

/// The most connections; as many as a process may have with the usual limit of 20,000 files.
const CONNECTIONS_MAX: usize = 19_000;
/// Files that a process has open besides its connections.
const OTHER_FILES: usize = 200;
/// Connections after which all that are there are asked for an answer.
const ASKED_EVERY: usize = 2_000;
/// How long the server's processor time is watched while nobody does anything: each connection is looked after twice.
const WATCHED: Duration = Duration::from_secs(10);

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (few, many) = match plan.quick {
        true => (50, 200),
        false => (1_000, CONNECTIONS_MAX.min(files()?.saturating_sub(OTHER_FILES + 1))),
    };
    ensure_files(many.max(few))?;
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(many).await?;
    server.start().await?;
    let mut sessions = Vec::new();
    for person in &people {
        let mut athlete = Athlete::connect(&server, person).await?;
        athlete.log(1).await?;
        sessions.push(athlete.session);
    }
    // Started anew, the sessions rest: what is measured is the connection.
    server.stop().await?;
    server.start().await?;
    settle(&server, &people[0]).await?;
    let before = held(&server, &mut [Athlete::connect(&server, &people[0]).await?]).await?;
    let mut connected = Vec::new();
    let (mut at_few, mut busy_at_few) = (before, 0.0);
    for (person, session) in people.iter().zip(&sessions) {
        let mut athlete = Athlete::connect(&server, person).await?;
        athlete.follow(*session).await?;
        connected.push(athlete);
        if connected.len().is_multiple_of(ASKED_EVERY) {
            // It takes minutes until all are there, and who is silent for one is closed.
            lost(&mut connected).await;
        }
        if connected.len() == few {
            at_few = held(&server, &mut connected).await?;
            busy_at_few = busy(&server).await?;
        }
    }
    lost(&mut connected).await;
    let after = held(&server, &mut connected).await?;
    let busy_after = busy(&server).await?;
    // One that the server has closed costs nothing.
    let lost = lost(&mut connected).await;
    let per_connection = (after - before) / many as f64;
    let slope = (after - at_few) / (many - few) as f64;
    server.stop().await?;
    let mut findings = Findings::of(format!(
        "{many} athletes connect, say hello and follow a session of their own that is at rest; resident memory of the \
         server before ({:.1} MiB) and after ({:.1} MiB). The slope is from {few} to {many} connections, without what \
         the first ones warm up. Each reading is of a server that has held the same for two seconds. Then nobody does anything for {} s, in which its processor time is read. Each \
         connection answers a ping afterwards. Kernel memory of sockets is not in it.",
        before / 1024.0,
        after / 1024.0,
        WATCHED.as_secs()
    ));
    findings.at_most(&format!("RSS per idle subscribed connection, {many}"), 6.0, per_connection, "KiB", "");
    findings.plain(&format!("the same, slope {few} → {many}"), slope, "KiB", "");
    let each = busy_after / many as f64;
    findings.at_most("server CPU per idle connection and second", 2.0, each, "µs", "");
    let slope = (busy_after - busy_at_few) / (many - few) as f64;
    findings.plain(&format!("the same, slope {few} → {many}"), slope, "µs", "");
    if lost > 0 {
        findings.invalid = Some(format!("{lost} of {many} connections were closed when memory was read"));
    }
    Ok(findings)
}

/// Asks all of them for an answer; how many the server no longer holds.
async fn lost(connected: &mut [Athlete]) -> usize {
    let mut lost = 0;
    for athlete in connected {
        lost += usize::from(!athlete.is_connected().await);
    }
    lost
}

/// The server's processor time in microseconds a second, while nobody does anything.
async fn busy(server: &Server) -> anyhow::Result<f64> {
    let (before, begun) = (server.cpu_s()?, Instant::now());
    tokio::time::sleep(WATCHED).await;
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
