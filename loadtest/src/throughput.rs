//! Acknowledged sets a second, as fast as they go.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::{Findings, median, spread};
use crate::server::{Person, Server, Used};

/// Commands each athlete has under way.
const UNDER_WAY: usize = 2;

/// What came of one run.
pub(crate) struct Run {
    pub(crate) sets_per_s: f64,
    /// For each set.
    pub(crate) each: Used,
}

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (athletes, seconds, runs) = if plan.quick { (50, 2, 1) } else { (500, 10, 3) };
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(athletes).await?;
    server.start().await?;
    let mut connected = connect(&server, &people).await?;
    let mut rates = Vec::new();
    let (mut costs, mut database_costs, mut logged) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let Run { sets_per_s, each } = run(&server, &mut connected, seconds).await?;
        rates.push(sets_per_s);
        costs.push(each.server_s * 1000.0);
        database_costs.extend(each.database_s.map(|s| s * 1000.0));
        logged.extend(each.log_bytes);
    }
    server.stop().await?;
    let mut findings = Findings::of(format!(
        "{athletes} athletes, each with {UNDER_WAY} sets under way, for {seconds} s, {runs} times. Each set is one \
         command, one event and one read-model row, committed and flushed before its reply; those that start, plan and \
         finish a session, twelve for a hundred sets, are not counted. Generator, server and database share the cores."
    ));
    let what = format!("acknowledged sets/s, {}", plan.database());
    findings.at_least(&what, 10_000.0, median(&rates), "sets/s", &spread(&rates));
    findings.plain("server CPU per 1,000 sets, at that rate", median(&costs), "s", &spread(&costs));
    if !database_costs.is_empty() {
        let (what, spread) = ("PostgreSQL CPU per 1,000 sets, at that rate", spread(&database_costs));
        findings.at_most(what, 0.025, median(&database_costs), "s", &spread);
    }
    if !logged.is_empty() {
        findings.plain("write-ahead log per set, at that rate", median(&logged), "B", &spread(&logged));
    }
    Ok(findings)
}

/// Connects `people`, each with a session under way.
pub(crate) async fn connect(server: &Server, people: &[Person]) -> anyhow::Result<Vec<Athlete>> {
    let mut connected = Vec::new();
    for (number, person) in people.iter().enumerate() {
        let mut athlete = Athlete::connect(server, person).await?;
        athlete.begin(number).await?;
        connected.push(athlete);
    }
    Ok(connected)
}

/// Lets all of them log for that many seconds, each as fast as it is answered.
pub(crate) async fn run(server: &Server, athletes: &mut Vec<Athlete>, seconds: u64) -> anyhow::Result<Run> {
    let before = server.used().await?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let mut running = JoinSet::new();
    for athlete in athletes.drain(..) {
        running.spawn(log_until(athlete, until));
    }
    let mut sets = 0;
    while let Some(done) = running.join_next().await {
        let (athlete, count) = done??;
        athletes.push(athlete);
        sets += count;
    }
    let sets_per_s = sets as f64 / begun.elapsed().as_secs_f64();
    Ok(Run { sets_per_s, each: server.used().await?.each_since(before, sets) })
}

/// Logs sets until then, and answers how many were acknowledged; starts, plans and ends of sessions are not counted.
async fn log_until(mut athlete: Athlete, until: Instant) -> anyhow::Result<(Athlete, u64)> {
    let plans = athlete.plans;
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
    let sets = acknowledged - (athlete.plans - plans);
    Ok((athlete, sets))
}
