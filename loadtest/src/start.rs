//! How long a server takes to be ready with much in store.

use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::{Findings, median, spread};
use crate::server::Server;

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (athletes, sessions_each, starts) = if plan.quick { (20, 5, 2) } else { (500, 20, 5) };
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(athletes).await?;
    server.start().await?;
    let mut storing = JoinSet::new();
    for person in &people {
        let mut athlete = Athlete::connect(&server, person).await?;
        storing.spawn(async move {
            for _ in 0..sessions_each {
                athlete.turn();
                athlete.log(3).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(stored) = storing.join_next().await {
        stored??;
    }
    let mut times = Vec::new();
    for _ in 0..starts {
        server.stop().await?;
        times.push(server.start().await?.as_secs_f64());
    }
    server.stop().await?;
    let stored = athletes * sessions_each;
    let mut findings = Findings::of(format!(
        "{stored} running sessions of two sets each in store; from the start of the process to the first 200 of \
         `/readyz`, {starts} times, file cache warm. Nothing is loaded before it is asked for."
    ));
    findings.at_most(
        &format!("start to ready, {stored} sessions"),
        2.0,
        median(&times),
        "s",
        &spread(&times),
    );
    Ok(findings)
}
