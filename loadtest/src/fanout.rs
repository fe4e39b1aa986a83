//! What it costs to show one session to many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use spotter_protocol::{ServerFrame, Version};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::Athlete;
use crate::figures::Findings;
use crate::idle::ensure_files;
use crate::server::{Person, Server};

/// How long one event may take to reach everybody.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (audiences, seconds): (&[u64], u64) = if plan.quick { (&[1, 10], 1) } else { (&[1, 100, 5_000], 10) };
    ensure_files(audiences.iter().max().copied().unwrap_or_default() as usize)?;
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(1).await?;
    server.start().await?;
    let mut findings = Findings::of(format!(
        "An athlete logs sets for {seconds} s, each once everybody who follows the session has seen the one before. Each is \
         durable before it is shown, so with one follower nearly all is the cost of the set. Every follower checks that \
         each version comes once and in order."
    ));
    for &audience in audiences {
        match show(&server, &people[0], audience, Duration::from_secs(seconds)).await? {
            Shown::Broken(why) => findings.broken = Some(why),
            Shown::Whole { deliveries, seconds, cpu_s } => {
                let deliveries = deliveries as f64;
                let (rate, each) = (deliveries / seconds, deliveries / cpu_s);
                findings.plain(&format!("deliveries/s to {audience} followers"), rate, "deliveries/s", "");
                let what = format!("deliveries in a second of the server's CPU, {audience} followers");
                findings.plain(&what, each, "deliveries", "");
            }
        }
    }
    server.stop().await?;
    Ok(findings)
}

enum Shown {
    Whole { deliveries: u64, seconds: f64, cpu_s: f64 },
    Broken(String),
}

/// What all followers have seen together.
#[derive(Default)]
struct Seen {
    events: AtomicU64,
    /// Everybody has seen one more.
    all: Notify,
}

/// Shows an athlete's session to so many connections for so long.
async fn show(server: &Server, person: &Person, audience: u64, length: Duration) -> anyhow::Result<Shown> {
    let mut athlete = Athlete::connect(server, person).await?;
    athlete.log(1).await?;
    let (seen, mut followers) = (Arc::new(Seen::default()), JoinSet::new());
    let mut from = Version(0);
    for _ in 0..audience {
        let mut follower = Athlete::connect(server, person).await?;
        from = follower.follow(athlete.session).await?;
        followers.spawn(watch(follower, from, audience, Arc::clone(&seen)));
    }
    let (session, begun, before) = (athlete.session, Instant::now(), server.cpu_s()?);
    while begun.elapsed() < length {
        athlete.send().await?;
        if athlete.session != session {
            // The session is full, and nobody follows the next.
            break;
        }
        let (_, version) = athlete.reply().await?;
        let due = audience * (version.0 - from.0);
        let heard = async {
            while seen.events.load(Ordering::Relaxed) < due {
                seen.all.notified().await;
            }
        };
        tokio::select! {
            () = heard => {}
            broken = followers.join_next() => return Ok(Shown::Broken(broken.context("nobody follows")??)),
            () = tokio::time::sleep(HEARD_WITHIN) => bail!("version {} did not reach everybody", version.0),
        }
    }
    Ok(Shown::Whole {
        deliveries: seen.events.load(Ordering::Relaxed),
        seconds: begun.elapsed().as_secs_f64(),
        cpu_s: server.cpu_s()? - before,
    })
}

/// Counts events; ends with what is wrong.
async fn watch(mut follower: Athlete, from: Version, audience: u64, seen: Arc<Seen>) -> String {
    let mut last = from;
    loop {
        let events = match follower.wire.next().await {
            Ok(ServerFrame::Events(events)) => events.events,
            Ok(_) => continue,
            Err(error) => return format!("a follower lost its connection: {error}"),
        };
        for event in &events {
            if event.v != last.next() {
                return format!("version {} came after {}", event.v.0, last.0);
            }
            last = event.v;
        }
        let count = events.len() as u64;
        let before = seen.events.fetch_add(count, Ordering::Relaxed);
        if before / audience != (before + count) / audience {
            seen.all.notify_one();
        }
    }
}
