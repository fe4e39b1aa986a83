//! What a node may write just now. Shards come and go while it runs: it takes some over, hands some to others, and loses
//! some to whoever thought it dead.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use spotter_protocol::{SHARDS, Shard};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{Claim, Epoch};

/// The shards of a node. Whatever is decided by it is decided again by the fence where something is written; what is only
/// said, and not written, rests on [`Claims::is_sure`].
#[derive(Debug)]
pub struct Claims {
    node: Uuid,
    /// By shard: 0 of another node's; one more than the epoch of one that is held, negative while it is handed over.
    held: Box<[AtomicI64]>,
    begun: Instant,
    /// Until when nobody else can have taken over what is held, in microseconds since the beginning.
    sure_until: AtomicU64,
}

impl Claims {
    /// A node that holds nothing yet, and is sure of that for no time.
    pub fn none(node: Uuid) -> Self {
        let held = (0..SHARDS).map(|_| AtomicI64::new(0)).collect();
        Self { node, held, begun: Instant::now(), sure_until: AtomicU64::new(0) }
    }

    /// Holds what is claimed, for as long as nothing else is said.
    pub fn lasting(claim: &Claim) -> Self {
        let claims = Self { sure_until: AtomicU64::new(u64::MAX), ..Self::none(claim.node) };
        for shard in Shard::all() {
            if let Some(epoch) = claim.epoch(shard) {
                claims.take(shard, epoch);
            }
        }
        claims
    }

    /// The name that the shards are held under.
    pub const fn node(&self) -> Uuid {
        self.node
    }

    /// The epoch of a shard that is held.
    pub fn epoch(&self, shard: Shard) -> Option<Epoch> {
        match self.place(shard).load(Ordering::Acquire) {
            0 => None,
            held => Some(Epoch(held.abs() - 1)),
        }
    }

    /// Whether a shard is held and not about to be handed over.
    pub fn admit(&self, shard: Shard) -> bool {
        self.place(shard).load(Ordering::Acquire) > 0
    }

    /// Whether nobody else can have taken over what is held.
    pub fn is_sure(&self) -> bool {
        let until = self.sure_until.load(Ordering::Acquire);
        until == u64::MAX || self.begun.elapsed() < Duration::from_micros(until)
    }

    /// The node has been sure of its shards at `since`, and is for so long from then on.
    pub fn renew(&self, since: Instant, sure_for: Duration) {
        let until = since.saturating_duration_since(self.begun).saturating_add(sure_for);
        let until = u64::try_from(until.as_micros()).unwrap_or(u64::MAX - 1);
        self.sure_until.fetch_max(until, Ordering::AcqRel);
    }

    /// A shard is held from now on.
    pub fn take(&self, shard: Shard, epoch: Epoch) {
        self.place(shard).store(epoch.0 + 1, Ordering::Release);
    }

    /// A shard takes nothing more: it is about to be handed over. What was admitted is still written.
    pub fn close(&self, shard: Shard) {
        let place = self.place(shard);
        let _ = place.fetch_update(Ordering::AcqRel, Ordering::Acquire, |held| Some(-held.abs()));
    }

    /// A shard is another's.
    pub fn lose(&self, shard: Shard) {
        self.place(shard).store(0, Ordering::Release);
    }

    /// How many shards are held.
    pub fn count(&self) -> usize {
        Shard::all().filter(|shard| self.epoch(*shard).is_some()).count()
    }

    /// What is held at this moment.
    pub fn now(&self) -> Claim {
        Claim { node: self.node, epochs: Shard::all().map(|shard| self.epoch(shard)).collect() }
    }

    fn place(&self, shard: Shard) -> &AtomicI64 {
        &self.held[usize::from(shard.number())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard() -> Shard {
        Shard::all().nth(7).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_is_sure_for_a_time_from_when_it_asked() {
        let claims = Claims::none(Uuid::from_u128(1));
        assert!(!claims.is_sure(), "it has not asked yet");

        claims.renew(Instant::now(), Duration::from_secs(3));
        tokio::time::advance(Duration::from_millis(2_999)).await;
        assert!(claims.is_sure());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!claims.is_sure());

        claims.renew(Instant::now() - Duration::from_secs(1), Duration::from_secs(3));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!claims.is_sure(), "the answer came a second later");
    }

    #[test]
    fn what_is_handed_over_takes_nothing_more_and_is_still_held() {
        let claims = Claims::none(Uuid::from_u128(1));
        claims.close(shard());
        assert_eq!(claims.epoch(shard()), None, "what is not held cannot be handed over");

        claims.take(shard(), Epoch(0));
        assert!(claims.admit(shard()));
        claims.close(shard());
        assert!(!claims.admit(shard()) && claims.epoch(shard()) == Some(Epoch(0)));
        claims.take(shard(), Epoch(0));
        assert!(claims.admit(shard()), "nobody took it");
        claims.lose(shard());
        assert_eq!(claims.now().epochs, vec![None; usize::from(SHARDS)]);
    }
}
