//! The figures of every frame. Each is looked up once for each name: that costs more than noting a value does.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use metrics::{Counter, Histogram, counter, histogram};

/// What is noted of frames, by their names.
#[derive(Default)]
pub(crate) struct Meters {
    received: Named<Counter>,
    acknowledged: Named<Histogram>,
}

impl Meters {
    /// Frames received of a kind.
    pub(crate) fn received(&self, kind: &'static str) -> Counter {
        self.received.get(kind, || counter!("spotter_ws_messages_total", "dir" => "in", "type" => kind))
    }

    /// From a command of a kind to its answer.
    pub(crate) fn acknowledged(&self, op: &'static str) -> Histogram {
        self.acknowledged.get(op, || histogram!("spotter_op_ack_duration_seconds", "op" => op))
    }
}

struct Named<T>(RwLock<HashMap<&'static str, T>>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Clone> Named<T> {
    fn get(&self, name: &'static str, make: impl FnOnce() -> T) -> T {
        // A map is whole between two inserts, whoever panicked.
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return known.clone();
        }
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert_with(make).clone()
    }
}
