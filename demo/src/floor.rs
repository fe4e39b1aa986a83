//! The gym floor: every athlete of the demo at once, until it is closed.

use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use spotter_client::Api;
use spotter_protocol::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::athlete::{Athlete, Person};
use crate::gym::{DemoGym, PASSWORD};
use crate::workouts::{self, SCALES};

/// How the floor runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many times faster than life people wait, 1 to 60. Loads, repetitions and prescribed rests stay.
    pub speed: u32,
    /// Where chance begins.
    pub seed: u64,
}

/// Sends the demo's athletes onto the floor of the server at `base`, until `closing` ends.
///
/// # Errors
/// When the data they replay is damaged. An athlete who cannot go on says so in the log and goes home.
pub async fn run(base: &str, options: Options, closing: impl Future<Output = ()>) -> anyhow::Result<()> {
    let gym = DemoGym::build()?;
    let taken = workouts::taken()?;
    let closed = CancellationToken::new();
    let mut floor = JoinSet::new();
    for (number, account) in gym.athletes.iter().enumerate() {
        let person =
            Person { number, gym: gym.slug, email: account.email.clone(), scale: number % SCALES.len() };
        let api = Api::new(base);
        let athlete = Athlete::new(person, api, taken.clone(), options, clock_of(number));
        let closed = closed.clone();
        floor.spawn(async move { closed.run_until_cancelled_owned(athlete.train(PASSWORD)).await });
    }
    info!(athletes = floor.len(), speed = options.speed, "athletes on the floor");
    closing.await;
    closed.cancel();
    while let Some(home) = floor.join_next().await {
        if let Ok(Some(Err(error))) = home {
            warn!(%error, "an athlete went home early");
        }
    }
    Ok(())
}

/// The clock of an athlete's phone: most are right, some are minutes off.
fn clock_of(number: usize) -> fn() -> Timestamp {
    match number % 8 {
        3 => || now().shifted(7 * 60 * 1_000_000),
        6 => || now().shifted(-3 * 60 * 1_000_000),
        _ => now,
    }
}

#[expect(clippy::disallowed_methods, reason = "a phone has a clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
