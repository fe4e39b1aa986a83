//! `spotter watch`: a coach's wall in a terminal, as a client of the socket like any other.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use spotter_actors::Clock;
use spotter_client::{Api, Device, News};
use spotter_protocol::{
    Actual, Address, Attention, Badge, EffortScale, LastSet, Load, SetStatus, Target, Tile, TilesFrame,
    Timestamp, Unit, UserId,
};
use tokio::time::MissedTickBehavior;

use crate::clock::SystemClock;

/// How often the screen is drawn anew.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// Shows the wall of the coach who signs in with these, until Ctrl-C.
///
/// # Errors
/// When the server refuses the sign-in, or the coach has no wall.
pub async fn run(url: &str, gym: &str, email: &str, password: &str) -> anyhow::Result<()> {
    let api = Api::new(url);
    let pass = api.login(gym, email, password).await?;
    let people = api.people(&pass).await?;
    let mut wall = Wall::new(people.into_iter().map(|person| (person.id, person.name)));
    let room = Address::room(pass.user.id);
    let (device, mut news) = Device::start(api, pass, || SystemClock.now());
    device.follow(room).await?;
    let mut draw = tokio::time::interval(DRAW_EVERY);
    draw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    let terminal = std::io::stdout().is_terminal();
    loop {
        tokio::select! {
            heard = news.recv() => match heard.context("the server does not take this client any more")? {
                News::Tiles(frame) => wall.fold(frame),
                News::Online(_) => wall.connected = true,
                News::Offline(_) => wall.connected = false,
                News::NotFollowed(_) => bail!("{email} has no wall: sign in as a coach"),
                News::Snapshot(_) | News::Events(_) | News::Answered(_) => {}
            },
            _ = draw.tick() => {
                let clear = if terminal { "\x1b[2J\x1b[H" } else { "" };
                let mut out = std::io::stdout().lock();
                // A closed pipe ends the watching, not with an error.
                if write!(out, "{clear}{}", wall.draw(SystemClock.now())).and_then(|()| out.flush()).is_err() {
                    return Ok(());
                }
            }
            _ = &mut stop => return Ok(()),
        }
    }
}

/// The tiles held, newest of each athlete.
struct Wall {
    names: HashMap<UserId, String>,
    tiles: BTreeMap<UserId, Tile>,
    newest: Option<(uuid::Uuid, u64)>,
    connected: bool,
}

impl Wall {
    fn new(names: impl Iterator<Item = (UserId, String)>) -> Self {
        Self { names: names.collect(), tiles: BTreeMap::new(), newest: None, connected: false }
    }

    fn fold(&mut self, frame: TilesFrame) {
        if self.newest.is_some_and(|(activation, tick)| activation == frame.activation && tick >= frame.tick)
        {
            return;
        }
        self.newest = Some((frame.activation, frame.tick));
        if frame.full {
            self.tiles.clear();
        }
        self.tiles.extend(frame.tiles.into_iter().map(|tile| (tile.athlete, tile)));
        frame.gone.iter().for_each(|gone| drop(self.tiles.remove(gone)));
    }

    fn draw(&self, now: Timestamp) -> String {
        let mut tiles: Vec<&Tile> = self.tiles.values().collect();
        tiles.sort_by_key(|tile| tile.place());
        let training = tiles.iter().filter(|tile| tile.glance.is_some()).count();
        let state = if self.connected { "live" } else { "reconnecting: what follows is old" };
        let mut text = format!("{training} training, {} on the wall – {state}\n\n", tiles.len());
        for tile in tiles {
            let name = self.names.get(&tile.athlete).map_or("?", String::as_str);
            // Writing to a string cannot fail.
            let pin = if tile.pinned { '*' } else { ' ' };
            let _ = writeln!(text, "{pin} {:<10} {:<20} {}", word(tile.attention), name, line(tile, now));
        }
        text
    }
}

fn line(tile: &Tile, now: Timestamp) -> String {
    let Some(glance) = &tile.glance else { return String::new() };
    let mut text = format!("{:>2}/{:<2}  ", glance.done, glance.total);
    if let Some(last) = &glance.last {
        text += &set(last);
    }
    if let Some(rest) = glance.rest {
        let left = rest.start.plus(rest.duration_ms).micros_since(now) / 1_000_000;
        if left >= 0 {
            text += &format!("  rest {}", clock(left));
        } else if !tile.stale {
            // Of somebody out of sight nobody knows whether they still rest.
            text += &format!("  rest over {}", clock(-left));
        }
    }
    if let Some(pain) = &glance.pain {
        text += &format!("  pain {} of 10, {}", pain.level.get(), pain.site.as_str());
    }
    for badge in &glance.badges {
        text += &format!("  [{}]", badge_word(*badge));
    }
    if let Some(presence) = tile.presence.filter(|presence| !presence.here) {
        let ago = clock(now.micros_since(presence.since) / 1_000_000);
        text += &format!("  lost signal {ago} ago{}", if tile.stale { ": may be old" } else { "" });
    }
    text
}

fn set(last: &LastSet) -> String {
    let target =
        last.target.as_ref().map(|target| format!(" (target {})", asked(target))).unwrap_or_default();
    let what = match last.status {
        SetStatus::Skipped => "skipped".to_owned(),
        SetStatus::Failed => format!("{} missed", done(&last.actual)),
        SetStatus::Performed | SetStatus::Planned | SetStatus::Voided => done(&last.actual),
    };
    format!("{} {}/{}  {what}{target}", last.exercise, last.k, last.n)
}

fn done(actual: &Actual) -> String {
    let reps = actual.reps.map(|reps| format!("× {}", reps.get()));
    let seconds = actual.seconds.map(|seconds| format!("{} s", seconds.get()));
    let metres = actual.metres.map(|metres| format!("{} m", metres.get()));
    let effort = actual.effort.map(|effort| match effort.scale() {
        EffortScale::Rpe => format!("@{}", decimal(u32::from(effort.tenths()), 10)),
        EffortScale::Rir => format!("RIR {}", decimal(u32::from(effort.tenths()), 10)),
    });
    let parts = [actual.load.map(|load| typed(&load)), reps, seconds, metres, effort];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn asked(target: &Target) -> String {
    let reps = target.reps.map(|reps| match reps.max {
        Some(max) if max == reps.min => format!("× {}", max.get()),
        Some(max) => format!("× {}–{}", reps.min.get(), max.get()),
        None => format!("× {}+", reps.min.get()),
    });
    let effort = target.effort.map(|effort| format!("@{}", decimal(u32::from(effort.rpe_tenths()), 10)));
    [target.load.map(|load| typed(&load)), reps, effort].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A load as it was typed.
fn typed(load: &Load) -> String {
    let unit = match load.unit() {
        Unit::Kg => "kg",
        Unit::Lb => "lb",
    };
    format!("{} {unit}", decimal(load.typed(), 1000))
}

/// `number` parts of `one`, without needless zeros.
fn decimal(number: u32, one: u32) -> String {
    f64::from(number).mul_add(1.0 / f64::from(one), 0.0).to_string()
}

fn clock(seconds: i64) -> String {
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

const fn word(attention: Attention) -> &'static str {
    match attention {
        Attention::Away => "",
        Attention::Working => "working",
        Attention::Resting => "resting",
        Attention::Pr => "RECORD",
        Attention::Stalled => "STALLED",
        Attention::Overshoot => "OVERSHOOT",
        Attention::Failed => "FAILED",
        Attention::Pain => "PAIN",
    }
}

const fn badge_word(badge: Badge) -> &'static str {
    match badge {
        Badge::Pain => "pain",
        Badge::Failed => "failed",
        Badge::Overshoot => "overshoot",
        Badge::MissedReps => "missed reps",
        Badge::Pr => "PR",
        Badge::OffPlan => "off plan",
        Badge::Late => "late",
        Badge::Stalled => "stalled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_without_needless_zeros() {
        assert_eq!(
            [decimal(102_500, 1000), decimal(140_000, 1000), decimal(85, 10)],
            ["102.5", "140", "8.5"]
        );
    }

    #[test]
    fn a_load_is_shown_as_it_was_typed() {
        assert_eq!(typed(&Load::new(225_000, Unit::Lb).unwrap()), "225 lb");
    }
}
