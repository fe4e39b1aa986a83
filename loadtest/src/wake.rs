//! How long a session that rests takes to wake, one after another and all at once.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::Findings;
use crate::pacer::{histogram, since};
use crate::server::Server;

/// Commands of each session: enough for a snapshot when it goes to rest.
const COMMANDS: usize = 12;
/// Athletes whose sessions wake one after another.
const ALONE: usize = 60;
/// Those of them that are not counted.
const WARM: usize = 10;

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    // Together fewer than a node admits at once.
    let (athletes, sessions_each) = if plan.quick { (20, 3) } else { (500, 15) };
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(athletes).await?;
    server.start().await?;
    let mut storing = JoinSet::new();
    for person in &people {
        let mut athlete = Athlete::connect(&server, person).await?;
        storing.spawn(async move {
            let mut last = Vec::new();
            for _ in 0..sessions_each {
                athlete.turn();
                athlete.log(COMMANDS - 1).await?;
                let command = athlete.next();
                athlete.command(command.clone()).await?;
                athlete.reply().await?;
                last.push(command);
            }
            anyhow::Ok(last)
        });
    }
    let mut stored = Vec::new();
    while let Some(last) = storing.join_next().await {
        stored.push(last??);
    }

    // The last command of each again: a session that wakes answers it from memory, without a commit.
    server.stop().await?;
    server.start().await?;
    let mut alone = histogram()?;
    for (place, person) in people.iter().take(ALONE).enumerate() {
        let mut waking = Athlete::connect(&server, person).await?;
        for command in stored.iter().flatten().filter(|command| command.to.owner == person.user) {
            let begun = Instant::now();
            waking.command(command.clone()).await?;
            waking.reply().await?;
            // The first warm what connections and statements need.
            if place >= WARM {
                alone.saturating_record(since(begun));
            }
        }
    }

    server.stop().await?;
    server.start().await?;
    let mut connected = Vec::new();
    for person in &people {
        connected.push(Athlete::connect(&server, person).await?);
    }
    let (ready, mut together) = (Arc::new(Barrier::new(people.len() + 1)), JoinSet::new());
    let total = stored.iter().flatten().count();
    for mut athlete in connected {
        let all = stored.iter().flatten().filter(|command| command.to.owner == athlete.user()).cloned();
        let (ready, all) = (Arc::clone(&ready), all.collect::<Vec<_>>());
        together.spawn(async move {
            ready.wait().await;
            for command in &all {
                athlete.command(command.clone()).await?;
            }
            for _ in &all {
                athlete.reply().await?;
            }
            anyhow::Ok(())
        });
    }
    ready.wait().await;
    let begun = Instant::now();
    while let Some(done) = together.join_next().await {
        done??;
    }
    let rate = total as f64 / begun.elapsed().as_secs_f64();
    server.stop().await?;
    let mut findings = Findings::of(format!(
        "{total} sessions of {COMMANDS} commands rest in store, each with a snapshot; the server starts, and the last \
         command of a session is sent again, which wakes it and is answered from memory without a commit. First one \
         after another ({}), file cache warm; then, after another start, all {total} over {athletes} connections at once.",
        alone.len()
    ));
    let ms = |quantile| alone.value_at_quantile(quantile) as f64 / 1000.0;
    findings.plain("activation from a snapshot, p50", ms(0.5), "ms", "");
    findings.at_most("activation from a snapshot, p99", 5.0, ms(0.99), "ms", "");
    findings.plain("recovery, all at once", rate, "sessions/s", "");
    Ok(findings)
}
