//! What a connection costs that does nothing.

use anyhow::ensure;

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::Findings;
use crate::memory::{held, settle};
use crate::server::Server;

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (few, many) = if plan.quick { (50, 200) } else { (1_000, 5_000) };
    ensure_files(many)?;
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
    let mut at_few = before;
    for (person, session) in people.iter().zip(&sessions) {
        let mut athlete = Athlete::connect(&server, person).await?;
        athlete.follow(*session).await?;
        connected.push(athlete);
        if connected.len() == few {
            at_few = held(&server, &mut connected).await?;
        }
    }
    let after = held(&server, &mut connected).await?;
    // Nobody read these sockets meanwhile; one the server has closed for that would cost nothing.
    let mut lost = 0;
    for athlete in &mut connected {
        lost += usize::from(!athlete.is_connected().await);
    }
    let per_connection = (after - before) / many as f64;
    let slope = (after - at_few) / (many - few) as f64;
    server.stop().await?;
    let mut findings = Findings::of(format!(
        "{many} athletes connect, say hello and follow a session of their own that is at rest; resident memory of the \
         server before ({:.1} MiB) and after ({:.1} MiB). The slope is from {few} to {many} connections, without what \
         the first ones warm up. Each reading is of a server that has held the same for two seconds. Each connection answers a ping afterwards. Kernel memory of sockets is not in it.",
        before / 1024.0,
        after / 1024.0
    ));
    findings.at_most(&format!("RSS per idle subscribed connection, {many}"), 8.0, per_connection, "KiB", "");
    findings.plain(&format!("the same, slope {few} → {many}"), slope, "KiB", "");
    if lost > 0 {
        findings.invalid = Some(format!("{lost} of {many} connections were closed when memory was read"));
    }
    Ok(findings)
}

/// Checks that this process may open that many sockets.
pub(crate) fn ensure_files(sockets: usize) -> anyhow::Result<()> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft =
        line.and_then(|line| line.split_whitespace().nth(3)).and_then(|soft| soft.parse::<usize>().ok());
    ensure!(
        soft.is_none_or(|soft| soft > sockets + 200),
        "{sockets} sockets are more than this shell lets a process open: run `ulimit -n {}` first",
        2 * sockets
    );
    Ok(())
}
