//! Two spotters on one PostgreSQL, of which one has taken over: what the other still sends is not written, one statement
//! at a time and as whole processes.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]
#![cfg(target_os = "linux")]

#[path = "../support/athletes.rs"]
mod athletes;
#[path = "../support/journal.rs"]
mod journal;
#[path = "../support/postgres.rs"]
mod postgres;
mod processes;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/server.rs"]
mod server;
mod statements;
#[path = "../support/store.rs"]
mod store;
#[path = "../support/watching.rs"]
mod watching;
#[path = "../support/wire.rs"]
mod wire;
