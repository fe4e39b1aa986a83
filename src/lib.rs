//! The Spotter node: configuration, command line, socket edge, HTTP API, stores, identity.

pub mod accounts;
pub mod clock;
pub mod db;
pub mod store;
