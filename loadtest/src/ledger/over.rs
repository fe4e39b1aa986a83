//! Sessions that are over. Read again and forgotten under way, they leave a ledger that is no larger after a day than after a
//! minute.

use std::time::{Duration, Instant};

use spotter_protocol::Address;

use super::{Ledger, Stream};

/// How long a session is remembered that has come to everybody: nothing of it is under way any more by then.
const REMEMBERED: Duration = Duration::from_secs(20);

impl Ledger {
    /// All that its athlete sent to a session was answered, and nothing more will be sent: coaches know a later one.
    pub(crate) fn close(&mut self, to: Address) {
        if let Some(stream) = self.streams.get_mut(&to) {
            stream.closed_at = Some(Instant::now());
        }
    }

    /// Sessions that are over and have come to everybody, with gym and athlete: to be read again and forgotten.
    pub(crate) fn over(&self, now: Instant) -> Vec<(Address, u16, u32)> {
        let is_over = |stream: &&Stream| {
            stream.closed_at.is_some_and(|closed_at| now >= closed_at + REMEMBERED)
                && stream.answered == stream.sent
                && stream.copies.values().all(|copy| copy.missing(stream) == 0)
        };
        let over = self.streams.iter().filter(|(_, stream)| is_over(stream));
        over.map(|(to, stream)| (*to, stream.gym, stream.athlete)).collect()
    }

    /// Forgets a session that is over. What comes of it from now on was sent to nobody.
    pub(crate) fn forget(&mut self, to: Address) {
        if let Some(stream) = self.streams.remove(&to) {
            let copies = stream.copies.values().filter(|copy| !copy.is_left).count();
            self.found.delivered += stream.versions.count() * copies as u64;
        }
    }
}
