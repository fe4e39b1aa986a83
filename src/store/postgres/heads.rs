//! What a connection of the lanes has committed itself. A server that has lost some of its history has lost its
//! connections first, so whoever still has one need not look for what it wrote over it: the look is an eighth of what
//! a full batch costs the server.

use std::collections::HashMap;

use spotter_actors::Append;
use spotter_protocol::{StreamId, Version};

/// Streams that are known at once. When there are more, all are forgotten: what is not known is looked for.
const STREAMS_MAX: usize = 65_536;

/// The last version of each stream that was committed over one connection, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Heads(HashMap<StreamId, Version>);

impl Heads {
    /// Whether `version` was the last one of `stream` that went over the connection.
    pub(super) fn knows(&self, stream: StreamId, version: Version) -> bool {
        self.0.get(&stream) == Some(&version)
    }

    /// Takes down what was committed over the connection.
    pub(super) fn take_down(&mut self, append: &Append) {
        if let Some(left) = append.opening.left() {
            self.0.remove(&left);
        }
        if let Some(last) = append.events.last() {
            if self.0.len() >= STREAMS_MAX {
                self.0.clear();
            }
            self.0.insert(append.stream, last.version);
        }
    }
}
