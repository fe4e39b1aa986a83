//! The Redis by which nodes reach one another, asked the way they ask it.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use redis::{AsyncCommands, Client, RedisError};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Chart, shown};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Messages that are measured.
const MESSAGES: usize = 20;
/// Above this, whoever is at another node than their entity feels it.
const FAR: Duration = Duration::from_millis(5);

pub(super) async fn examine(address: &str, chart: &mut Chart) {
    let advice = "is it running, does it listen there, and are user and password right?";
    match timeout(PATIENCE, messages(address)).await {
        Err(_) => chart.fail("Redis", format!("no answer within {PATIENCE:?}; {advice}")),
        Ok(Err(error)) => chart.fail("Redis", format!("cannot be used: {error}; {advice}")),
        Ok(Ok(median)) if median > FAR => {
            let said = "a message takes a median of";
            chart.warn("Redis", format!("{said} {}: it should be near the nodes", shown(median)));
        }
        Ok(Ok(median)) => chart.ok("Redis", format!("a message takes a median of {}", shown(median))),
    }
}

/// Says something and hears it, some times; answers the median time.
async fn messages(address: &str) -> Result<Duration, RedisError> {
    let client = Client::open(address)?;
    let mut says = client.get_multiplexed_async_connection().await?;
    let (mut asks, mut hears) = client.get_async_pubsub().await?.split();
    let channel = format!("spotter:doctor:{}", Uuid::new_v4());
    asks.subscribe(&channel).await?;
    let mut took = Vec::with_capacity(MESSAGES);
    for _ in 0..MESSAGES {
        let begun = Instant::now();
        says.publish::<_, _, ()>(&channel, "hello").await?;
        hears.next().await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok(took[MESSAGES / 2])
}
