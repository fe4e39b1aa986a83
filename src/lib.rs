//! The Spotter node: configuration, command line, socket edge, HTTP API, stores, identity.

pub mod accounts;
pub mod archive;
pub mod auth;
pub mod backup;
pub mod catalogue;
pub mod cli;
pub mod clock;
mod cluster;
pub mod config;
pub mod db;
pub mod demo;
pub mod digest;
pub mod doctor;
pub mod http;
pub mod messages;
pub mod node;
pub mod pages;
pub mod policy;
pub mod removal;
mod socket;
pub mod store;
pub mod telemetry;
pub mod verify;
pub mod watch;
pub mod workouts;
