//! How long it takes until everybody is back whose connection was cut at one moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use spotter_protocol::{Address, Version};
use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::Findings;
use crate::idle::ensure_files;
use crate::latency::ms;
use crate::pacer::{histogram, since};
use crate::server::{Person, Server};

/// Between two tries of one connection.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Who is not back by then is lost.
const BACK_WITHIN: Duration = Duration::from_secs(120);

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let many = if plan.quick { 200 } else { 10_000 };
    ensure_files(many)?;
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(many).await?;
    server.start().await?;
    let mut connected = Vec::new();
    for person in &people {
        let mut athlete = Athlete::connect(&server, person).await?;
        athlete.log(2).await?;
        let version = athlete.follow(athlete.session).await?;
        connected.push((athlete, version));
    }
    let followed: Vec<_> = connected.iter().map(|(athlete, version)| (athlete.session, *version)).collect();
    let before = server.cpu_s()?;
    // A connection that is dropped says no goodbye.
    drop(connected);
    let cut = Instant::now();
    let server = Arc::new(server);
    let mut coming = JoinSet::new();
    for (person, (session, version)) in people.into_iter().zip(followed) {
        let server = Arc::clone(&server);
        coming.spawn(async move { (come_back(&server, &person, session, version, cut).await, since(cut)) });
    }
    let mut delays = histogram()?;
    let mut back = Vec::new();
    while let Some(came) = coming.join_next().await {
        let (athlete, delay) = came?;
        delays.saturating_record(delay);
        back.push(athlete?);
    }
    let (all, cpu_s) = (cut.elapsed().as_secs_f64(), server.cpu_s()? - before);
    server.stop().await?;
    let mut findings = Findings::of(format!(
        "{many} athletes follow a session of their own; all connections are cut at once, and all come back at once: connect, \
         hello, and the session from the version they have, again after {} ms where that fails. Counted from the cut.",
        AGAIN_AFTER.as_millis()
    ));
    findings.plain(&format!("until all of {many} have resumed"), all, "s", "");
    findings.plain("until one has, p50", ms(&delays, 0.5) / 1000.0, "s", "");
    findings.plain("until one has, p99", ms(&delays, 0.99) / 1000.0, "s", "");
    findings.plain("server CPU for each", cpu_s * 1e6 / many as f64, "µs", "");
    Ok(findings)
}

/// Tries until the session is followed again.
async fn come_back(
    server: &Server,
    person: &Person,
    session: Address,
    version: Version,
    cut: Instant,
) -> anyhow::Result<Athlete> {
    loop {
        let tried = async {
            let mut athlete = Athlete::connect(server, person).await?;
            athlete.resume(session, version).await?;
            anyhow::Ok(athlete)
        };
        let error = match tried.await {
            Ok(athlete) => return Ok(athlete),
            Err(error) => error,
        };
        ensure!(cut.elapsed() < BACK_WITHIN, "somebody did not come back within {BACK_WITHIN:?}: {error:#}");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
