//! The Spotter node: configuration, command line, socket edge, HTTP API, stores, identity.

pub mod store;
