//! Whether a person is here. A phone that changes networks is gone for a moment and comes back: until a grace has
//! passed it never left.

use spotter_protocol::{Millis, Presence, Timestamp};

/// How long after a person's last connection closed they still count as here.
pub const GRACE: Millis = Millis(20_000);

/// What a server knows of a person's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// When the first connection opened of those that followed one another within the grace.
    pub since: Timestamp,
    /// When the last one closed; absent while one is open.
    pub closed_at: Option<Timestamp>,
    /// Grows with every change on that server: of two the higher is newer.
    pub turn: u64,
}

impl Connected {
    /// When they count as gone unless they come back; absent while a connection is open.
    pub fn leaves_at(self) -> Option<Timestamp> {
        self.closed_at.map(|closed| closed.plus(GRACE))
    }

    /// Whether they count as here at a moment.
    pub fn is_here(self, at: Timestamp) -> bool {
        self.leaves_at().is_none_or(|leaves| at < leaves)
    }

    /// Their presence at a moment.
    pub fn presence(self, at: Timestamp) -> Presence {
        match self.closed_at {
            Some(closed) if !self.is_here(at) => Presence { here: false, since: closed },
            Some(_) | None => Presence { here: true, since: self.since },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn who_is_gone_left_when_the_connection_closed_and_not_when_the_grace_was_over() {
        let connected = Connected { since: at(10), closed_at: Some(at(100)), turn: 2 };
        assert_eq!(connected.presence(at(119)), Presence { here: true, since: at(10) });
        assert_eq!(connected.presence(at(120)), Presence { here: false, since: at(100) });
    }

    #[test]
    fn who_is_connected_does_not_leave() {
        let connected = Connected { since: at(10), closed_at: None, turn: 1 };
        assert_eq!(connected.presence(at(1_000_000)), Presence { here: true, since: at(10) });
        assert_eq!(connected.leaves_at(), None);
    }
}
