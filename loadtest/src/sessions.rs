//! What a session costs that is in memory.

use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::{Athlete, SETS};
use crate::figures::Findings;
use crate::memory::{held, settle};
use crate::server::Server;

/// The sets of an exercise, after a start and a plan.
const COMMANDS: usize = SETS as usize + 2;

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (athletes, few_each, many_each) = if plan.quick { (20, 2, 6) } else { (400, 5, 20) };
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(athletes).await?;
    server.start().await?;
    settle(&server, &people[0]).await?;
    let mut connected = Vec::new();
    for person in &people {
        connected.push(Athlete::connect(&server, person).await?);
    }
    let mut connected = train(connected, few_each).await?;
    let at_few = held(&server, &mut connected).await?;
    let mut connected = train(connected, many_each - few_each).await?;
    let at_many = held(&server, &mut connected).await?;
    server.stop().await?;
    let (few, many) = (athletes * few_each, athletes * many_each);
    let mut findings = Findings::of(format!(
        "{athletes} connections start sessions and log {SETS} sets in each; resident memory of the server with {few} and \
         with {many} sessions in memory, so that connections, caches and pools are in both. An active session is a \
         ractor actor with its state, its remembered answers and its place in the directory. \
         Both readings are of a server that has held the same for two seconds."
    ));
    let slope = (at_many - at_few) / (many - few) as f64;
    findings.at_most(&format!("RSS per active session, {SETS} sets"), 12.0, slope, "KiB", "");
    Ok(findings)
}

async fn train(athletes: Vec<Athlete>, sessions_each: usize) -> anyhow::Result<Vec<Athlete>> {
    let mut training = JoinSet::new();
    for mut athlete in athletes {
        training.spawn(async move {
            for _ in 0..sessions_each {
                athlete.turn();
                athlete.log(COMMANDS).await?;
            }
            anyhow::Ok(athlete)
        });
    }
    let mut trained = Vec::new();
    while let Some(athlete) = training.join_next().await {
        trained.push(athlete??);
    }
    Ok(trained)
}
