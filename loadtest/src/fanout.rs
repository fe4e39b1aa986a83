//! What it costs to show one session to many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use spotter_protocol::{Address, ServerFrame, Version};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::{Athlete, COMMANDS};
use crate::figures::Findings;
use crate::idle::ensure_files;
use crate::server::{Person, Server};

/// How long one event may take to reach everybody.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (audiences, seconds): (&[u64], u64) = if plan.quick { (&[1, 10], 1) } else { (&[1, 100, 5_000], 10) };
    ensure_files(audiences.iter().max().copied().unwrap_or_default() as usize)?;
    let server = Server::prepare(plan).await?;
    // One for each audience: the server names to each device that connects what is under way.
    let (people, _) = server.populate(audiences.len()).await?;
    server.start().await?;
    let mut findings = Findings::of(format!(
        "An athlete logs sets for {seconds} s, each once everybody who follows the session has seen the one before. Each is \
         durable before it is shown, so with one follower nearly all is the cost of the set. A full session is followed by \
         another; while everybody turns to it nothing is measured. Every follower checks that each version comes once \
         and in order."
    ));
    for (&audience, person) in audiences.iter().zip(&people) {
        match show(&server, person, audience, Duration::from_secs(seconds)).await? {
            Shown::Broken(why) => findings.broken = Some(why),
            Shown::Whole { per_s, per_cpu_s } => {
                findings.plain(&format!("deliveries/s to {audience} followers"), per_s, "deliveries/s", "");
                let what = format!("deliveries in a second of the server's CPU, {audience} followers");
                findings.plain(&what, per_cpu_s, "deliveries", "");
            }
        }
    }
    server.stop().await?;
    Ok(findings)
}

/// What came of showing sessions.
pub(crate) enum Shown {
    /// Deliveries in a second, and in one of the server's processor time.
    Whole { per_s: f64, per_cpu_s: f64 },
    /// What the server lost, doubled or reordered.
    Broken(String),
}

/// What all followers have seen together.
struct Seen {
    audience: u64,
    /// Versions: those that came, and those that a session had when it was followed.
    versions: AtomicU64,
    /// Everybody has seen one more.
    all: Notify,
}

/// Shows an athlete's sessions to so many connections for so long.
///
/// # Errors
/// When somebody cannot connect, or something does not reach everybody.
pub(crate) async fn show(
    server: &Server,
    person: &Person,
    audience: u64,
    length: Duration,
) -> anyhow::Result<Shown> {
    let mut athlete = Athlete::connect(server, person).await?;
    let followed = watch::Sender::new(athlete.session);
    let (seen, mut followers) = (Arc::new(Seen::by(audience)), JoinSet::new());
    for _ in 0..audience {
        let follower = Athlete::connect(server, person).await?;
        followers.spawn(follow(follower, followed.subscribe(), Arc::clone(&seen)));
    }
    let showing = async {
        let (mut due, mut deliveries, mut shown_for, mut cpu_s) = (0, 0, Duration::ZERO, 0.0);
        while shown_for < length {
            // The start of a session, which all of them turn to.
            athlete.send().await?;
            let (_, mut version) = athlete.reply().await?;
            followed.send_replace(athlete.session);
            due += audience * version.0;
            seen.reaches(due).await?;
            let (begun, before) = (Instant::now(), server.cpu_s()?);
            for _ in 1..COMMANDS {
                if shown_for + begun.elapsed() >= length {
                    break;
                }
                athlete.send().await?;
                let (_, next) = athlete.reply().await?;
                let new = audience * (next.0 - version.0);
                (version, due, deliveries) = (next, due + new, deliveries + new);
                seen.reaches(due).await?;
            }
            shown_for += begun.elapsed();
            cpu_s += server.cpu_s()? - before;
        }
        let deliveries = deliveries as f64;
        Ok(Shown::Whole { per_s: deliveries / shown_for.as_secs_f64(), per_cpu_s: deliveries / cpu_s })
    };
    tokio::select! {
        shown = showing => shown,
        broken = followers.join_next() => Ok(Shown::Broken(broken.context("nobody follows")??)),
    }
}

/// Follows one session after the other and counts what comes; ends with what is wrong.
async fn follow(mut follower: Athlete, mut followed: watch::Receiver<Address>, seen: Arc<Seen>) -> String {
    let (mut session, mut last) = (follower.session, Version::default());
    loop {
        let frame = tokio::select! {
            biased;
            frame = follower.wire.next() => frame,
            Ok(()) = followed.changed() => {
                session = *followed.borrow_and_update();
                last = match follower.follow(session).await {
                    Ok(version) => version,
                    Err(error) => return format!("a follower could not follow: {error:#}"),
                };
                seen.note(last.0);
                continue;
            }
        };
        let events = match frame {
            // A server may show the start of the next session to who has not asked for it yet.
            Ok(ServerFrame::Events(events)) if events.to == session => events.events,
            Ok(_) => continue,
            Err(error) => return format!("a follower lost its connection: {error}"),
        };
        for event in &events {
            if event.v != last.next() {
                return format!("version {} came after {}", event.v.0, last.0);
            }
            last = event.v;
        }
        seen.note(events.len() as u64);
    }
}

impl Seen {
    fn by(audience: u64) -> Self {
        Self { audience, versions: AtomicU64::new(0), all: Notify::new() }
    }

    /// One of them has seen so many more.
    fn note(&self, count: u64) {
        let before = self.versions.fetch_add(count, Ordering::Relaxed);
        if before / self.audience != (before + count) / self.audience {
            self.all.notify_one();
        }
    }

    /// Waits until they have seen so many together.
    async fn reaches(&self, due: u64) -> anyhow::Result<()> {
        let heard = async {
            while self.versions.load(Ordering::Relaxed) < due {
                self.all.notified().await;
            }
        };
        tokio::time::timeout(HEARD_WITHIN, heard).await.context("an event did not reach everybody")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn an_event_is_seen_once_the_last_follower_has_seen_it() {
        let seen = Seen::by(3);
        seen.note(1);
        seen.note(1);
        assert!(seen.reaches(3).now_or_never().is_none(), "one has not");

        seen.note(1);

        assert!(seen.reaches(3).now_or_never().is_some_and(|reached| reached.is_ok()));
    }
}
