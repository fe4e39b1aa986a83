//! Spotter's engine: entity actors, their directory, lanes, topics, and the ports to what lies outside.

mod journal;

pub use journal::{
    Append, Claim, Clock, Epoch, EventRow, Journal, Library, Outcome, SnapshotRow, SnapshotWrite, StoreError,
    Stored,
};
