//! Acknowledged sets a second, as fast as they go.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Bench;
use crate::athlete::Athlete;
use crate::figures::{Findings, median, spread};
use crate::server::Server;

/// Commands each athlete has under way.
const UNDER_WAY: usize = 2;

pub(crate) async fn measure(bench: &Bench) -> anyhow::Result<Findings> {
    let (athletes, seconds, runs) = if bench.quick { (50, 2, 1) } else { (500, 10, 3) };
    let mut server = Server::prepare(&bench.server)?;
    let (people, _) = server.populate(athletes).await?;
    server.start().await?;
    let mut connected = Vec::new();
    for person in &people {
        let mut athlete = Athlete::connect(&server, person).await?;
        athlete.log(3).await?;
        connected.push(athlete);
    }
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let cpu = server.cpu_s()?;
        let begun = Instant::now();
        let until = begun + Duration::from_secs(seconds);
        let mut running = JoinSet::new();
        for athlete in connected.drain(..) {
            running.spawn(log_until(athlete, until));
        }
        let mut acknowledged = 0;
        while let Some(done) = running.join_next().await {
            let (athlete, count) = done??;
            connected.push(athlete);
            acknowledged += count;
        }
        let elapsed = begun.elapsed().as_secs_f64();
        rates.push(acknowledged as f64 / elapsed);
        costs.push((server.cpu_s()? - cpu) * 1000.0 / acknowledged as f64);
    }
    server.stop().await?;
    let mut findings = Findings::of(format!(
        "{athletes} athletes, each with {UNDER_WAY} sets under way, for {seconds} s, {runs} times. Each set is one \
         command, two events and one read-model row, committed with `synchronous=FULL` before its reply. Generator \
         and server share the cores."
    ));
    findings.at_least("acknowledged sets/s, SQLite", 10_000.0, median(&rates), "sets/s", &spread(&rates));
    findings.plain("server CPU per 1,000 sets, at that rate", median(&costs), "s", &spread(&costs));
    Ok(findings)
}

/// Logs sets until then, and answers how many were acknowledged; starts of sessions are not counted.
async fn log_until(mut athlete: Athlete, until: Instant) -> anyhow::Result<(Athlete, u64)> {
    let starts = athlete.starts;
    for _ in 0..UNDER_WAY {
        athlete.send().await?;
    }
    let mut acknowledged = 0;
    while Instant::now() < until {
        athlete.reply().await?;
        acknowledged += 1;
        athlete.send().await?;
    }
    for _ in 0..UNDER_WAY {
        athlete.reply().await?;
        acknowledged += 1;
    }
    let sets = acknowledged - (athlete.starts - starts);
    Ok((athlete, sets))
}
