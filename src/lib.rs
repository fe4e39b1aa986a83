//! The Spotter node: configuration, command line, socket edge, HTTP API, stores, identity.

pub mod accounts;
pub mod auth;
pub mod clock;
pub mod config;
pub mod db;
pub mod digest;
pub mod policy;
pub mod store;
