//! What a coach's page receives while a full gym trains.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use spotter_protocol::{Address, Codec, ServerFrame, UserId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::{Athlete, accepted};
use crate::figures::Findings;
use crate::pacer::pace;
use crate::server::Server;

pub(crate) async fn measure(plan: &Plan) -> anyhow::Result<Findings> {
    let (athletes, rate, seconds) = if plan.quick { (20, 20, 3) } else { (500, 500, 20) };
    let server = Server::prepare(plan).await?;
    let (people, coach) = server.populate(athletes).await?;
    server.start().await?;
    let (mut senders, mut training) = (Vec::new(), JoinSet::new());
    for person in &people {
        let mut athlete = Athlete::connect(&server, person).await?;
        athlete.log(2).await?;
        let (sender, due) = mpsc::unbounded_channel();
        senders.push(sender);
        training.spawn(train(athlete, due));
    }
    let mut page = Athlete::connect(&server, &coach).await?;
    page.follow(Address::room(coach.user)).await?;
    let (end, ended) = oneshot::channel();
    let counting = tokio::spawn(count(page, ended));
    pace(Arc::from(senders), rate, rate * seconds).await?;
    end.send(()).ok().context("the page went away")?;
    let seen = counting.await??;
    while let Some(trained) = training.join_next().await {
        trained??;
    }
    server.stop().await?;
    let mut findings = Findings::of(format!(
        "{athletes} athletes log {rate} sets/s together for {seconds} s; a coach of all of them follows the room. Counted are \
         all frames on that connection but pongs and the opening picture, and the bytes of their MessagePack, from \
         the first set to the last. A run in which some athlete's tile never came is broken."
    ));
    findings.at_most(
        &format!("frames/s to a coach of {athletes} at {rate} sets/s"),
        10.0,
        seen.frames as f64 / seen.seconds,
        "frames/s",
        "",
    );
    findings.plain("bytes/s to that coach", seen.bytes as f64 / seen.seconds / 1024.0, "KiB/s", "");
    findings.plain("tiles in a frame", seen.tiles as f64 / seen.frames.max(1) as f64, "tiles", "");
    let unseen = athletes.saturating_sub(seen.athletes.len());
    if unseen > 0 {
        findings.broken = Some(format!("the tiles of {unseen} athletes never came"));
    }
    Ok(findings)
}

#[derive(Default)]
struct Seen {
    athletes: HashSet<UserId>,
    frames: u64,
    tiles: u64,
    bytes: u64,
    seconds: f64,
}

/// Counts what comes after the opening picture until told to stop. A frame decodes and encodes to the same bytes: both sides are
/// this one codec.
async fn count(mut page: Athlete, mut ended: oneshot::Receiver<()>) -> anyhow::Result<Seen> {
    let (mut seen, begun) = (Seen::default(), Instant::now());
    loop {
        tokio::select! {
            frame = page.wire.next() => {
                let frame = frame?;
                match &frame {
                    ServerFrame::Pong(_) => continue,
                    ServerFrame::Tiles(tiles) if tiles.full && seen.frames == 0 => continue,
                    ServerFrame::Tiles(tiles) => {
                        seen.tiles += tiles.tiles.len() as u64;
                        seen.athletes.extend(tiles.tiles.iter().map(|tile| tile.athlete));
                    }
                    ServerFrame::Welcome(_)
                    | ServerFrame::Reply(_)
                    | ServerFrame::Snapshot(_)
                    | ServerFrame::Events(_)
                    | ServerFrame::Signal(_)
                    | ServerFrame::Revoked(_)
                    | ServerFrame::GoAway(_) => {}
                }
                seen.frames += 1;
                seen.bytes += frame.encode(Codec::MsgPack).len() as u64;
            }
            _ = &mut ended => {
                seen.seconds = begun.elapsed().as_secs_f64();
                return Ok(seen);
            }
        }
    }
}

async fn train(mut athlete: Athlete, mut due: mpsc::UnboundedReceiver<Instant>) -> anyhow::Result<()> {
    let mut under_way = 0;
    let mut paced = true;
    while paced || under_way > 0 {
        tokio::select! {
            planned = due.recv(), if paced => match planned {
                Some(_) => {
                    athlete.send().await?;
                    under_way += 1;
                }
                None => paced = false,
            },
            frame = athlete.wire.next() => {
                if let ServerFrame::Reply(reply) = frame? {
                    accepted(reply)?;
                    under_way -= 1;
                }
            }
        }
    }
    Ok(())
}
