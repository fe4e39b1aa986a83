//! What an operator may set, and where each value comes from: defaults, then a file, then `SPOTTER_*`
//! variables, then flags. A key nobody knows is an error that names it and its place.

mod layers;

pub use layers::{Origin, Setting, Sources};

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Why there is no configuration. The text names the key and where it stands.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Correct the spelling or take the key out.
    #[error("{origin} sets `{key}`, which is no setting{hint}")]
    UnknownKey {
        /// The key as it was written.
        key: String,
        /// Where it stands.
        origin: String,
        /// The key that may have been meant, as a clause.
        hint: String,
    },
    /// Choose a value within the range.
    #[error("{origin} sets `{key}` to {value}: it must be from {least} to {most}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        value: u32,
        /// Where it stands.
        origin: String,
        /// The least allowed.
        least: u32,
        /// The most allowed.
        most: u32,
    },
    /// Give the value the form that is named.
    #[error("{origin} sets `{key}` to `{value}`: {reason}")]
    BadValue {
        /// The key.
        key: String,
        /// What was written.
        value: String,
        /// Where it stands.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Take one of the settings out, or add the one that is missing.
    #[error("{origin} sets `{key}`, {reason}")]
    Contradiction {
        /// The key.
        key: &'static str,
        /// Where it stands.
        origin: String,
        /// What does not go with it.
        reason: &'static str,
    },
    /// The file is absent or no TOML.
    #[error(transparent)]
    Unreadable(#[from] config::ConfigError),
}

/// Everything that can be set. `config/spotter.toml` documents each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of the keys, and of the database and its lock where that is a file; made when absent.
    pub data_dir: PathBuf,
    /// `postgres://user:password@host/name`; empty for a SQLite file in `data_dir`.
    pub database: String,
    /// Where the API, the sockets and the pages are served.
    pub listen: SocketAddr,
    /// Where `/metrics` is served. Keep it from the public.
    pub admin_listen: SocketAddr,
    /// The log.
    pub log: Log,
    /// Sign-in.
    pub auth: Auth,
    /// Limits of sockets.
    pub socket: Socket,
    /// The engine.
    pub engine: Engine,
    /// How a PostgreSQL server is used.
    pub postgres: Postgres,
    /// What the node archives by itself.
    pub archive: Archive,
    /// The other nodes.
    pub cluster: Cluster,
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Lines for people or for programs.
    pub format: LogFormat,
    /// Which records are kept: `tracing`'s filter, such as `info,spotter=debug`.
    pub filter: String,
}

/// The form of a log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object a line.
    Json,
}

/// How long sign-ins last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Seconds an access token is good.
    pub access_ttl_s: u32,
    /// Seconds a refresh token is good; each exchange begins anew.
    pub refresh_ttl_s: u32,
}

/// What one node and one connection may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// Connections of this node; one more is refused.
    pub connections_max: u32,
    /// Commands a second that one connection may send for long.
    pub commands_per_s: u32,
    /// Commands that one connection may send at once after a silence.
    pub commands_burst: u32,
    /// Commands of one connection without an answer yet; one more is answered `busy`.
    pub in_flight: u32,
    /// Subscriptions of one connection.
    pub subscriptions: u32,
    /// Bytes that may wait for a slow reader before its connection is closed to resume.
    pub send_queue_bytes: u32,
    /// Milliseconds within which a client sends something.
    pub heartbeat_ms: u32,
}

/// How entities live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    /// Seconds without a command after which an entity leaves memory.
    pub idle_s: u32,
    /// Milliseconds between two frames of changed tiles.
    pub tick_ms: u32,
    /// Seconds a stopping node gives its sockets to leave.
    pub drain_s: u32,
    /// Events between two snapshots of an entity.
    pub snapshot_every: u32,
    /// Events of an entity after which it begins a new stream.
    pub rotate_every: u32,
}

/// How a PostgreSQL server is used; nothing with a SQLite file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// Statements of the journal in flight at once.
    pub lanes: u32,
    /// Connections that answer questions of people; the engine has its own.
    pub readers: u32,
    /// Whether `serve` brings tables that are out of date up to date.
    pub migrate: bool,
    /// Whether a server may be used that does not flush what it acknowledges.
    pub allow_unsafe: bool,
}

/// Which months of the journal a node archives by itself, and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Whole months that stay, beside the one that is not over; with 0 all do.
    pub keep_months: u32,
    /// The folder for the files of the others; empty for none.
    pub to: PathBuf,
    /// Whether the others go without files.
    pub drop: bool,
}

/// How the nodes that serve from one PostgreSQL reach one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// `redis://user:password@host:port`; empty for a node that serves alone.
    pub redis: String,
}

impl Config {
    /// A key that does not go with the others, and why.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        if !self.cluster.redis.is_empty() && self.database.is_empty() {
            return Some(("cluster.redis", "but a SQLite file is served by one node: set `database`"));
        }
        if !self.cluster.redis.is_empty() && self.archive.keep_months > 0 {
            let reason =
                "but of several nodes none archives by itself: `spotter archive` asks one that serves alone";
            return Some(("archive.keep_months", reason));
        }
        self.archive.contradiction()
    }
}

impl Archive {
    /// The key that does not go with the others, and why.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let unsaid = "but not how many months stay: set `archive.keep_months`";
        let nowhere = "but not where older months go: set `archive.to`, or `archive.drop`";
        let both = "and `archive.to` too: older months go into files, or for good";
        match (self.keep_months > 0, !self.to.as_os_str().is_empty(), self.drop) {
            (_, true, true) => Some(("archive.drop", both)),
            (true, false, false) => Some(("archive.keep_months", nowhere)),
            (false, true, false) => Some(("archive.to", unsaid)),
            (false, false, true) => Some(("archive.drop", unsaid)),
            (true, true, false) | (true, false, true) | (false, false, false) => None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./spotter-data"),
            database: String::new(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            log: Log { format: LogFormat::Text, filter: "info".to_owned() },
            auth: Auth { access_ttl_s: 900, refresh_ttl_s: 30 * 24 * 3600 },
            socket: Socket {
                connections_max: 20_000,
                commands_per_s: 50,
                commands_burst: 200,
                in_flight: 64,
                subscriptions: 512,
                send_queue_bytes: 256 * 1024,
                heartbeat_ms: 25_000,
            },
            engine: Engine { idle_s: 300, tick_ms: 100, drain_s: 5, snapshot_every: 100, rotate_every: 1000 },
            postgres: Postgres { lanes: 1, readers: 8, migrate: false, allow_unsafe: false },
            archive: Archive { keep_months: 0, to: PathBuf::new(), drop: false },
            cluster: Cluster { redis: String::new() },
        }
    }
}

impl Config {
    /// Every number with its key and the range it must be in.
    fn numbers(&self) -> [(&'static str, u32, RangeInclusive<u32>); 17] {
        let Self { auth, socket, engine, postgres, archive, .. } = self;
        [
            ("auth.access_ttl_s", auth.access_ttl_s, 60..=3600),
            ("auth.refresh_ttl_s", auth.refresh_ttl_s, 3600..=31_536_000),
            ("socket.connections_max", socket.connections_max, 1..=1_000_000),
            ("socket.commands_per_s", socket.commands_per_s, 1..=10_000),
            ("socket.commands_burst", socket.commands_burst, 1..=100_000),
            ("socket.in_flight", socket.in_flight, 1..=1024),
            ("socket.subscriptions", socket.subscriptions, 1..=10_000),
            ("socket.send_queue_bytes", socket.send_queue_bytes, 65_536..=16_777_216),
            ("socket.heartbeat_ms", socket.heartbeat_ms, 1000..=300_000),
            ("engine.idle_s", engine.idle_s, 1..=86_400),
            ("engine.tick_ms", engine.tick_ms, 20..=5000),
            ("engine.drain_s", engine.drain_s, 0..=300),
            ("engine.snapshot_every", engine.snapshot_every, 10..=10_000),
            ("engine.rotate_every", engine.rotate_every, 10..=1_000_000),
            ("postgres.lanes", postgres.lanes, 1..=16),
            ("postgres.readers", postgres.readers, 1..=200),
            ("archive.keep_months", archive.keep_months, 0..=1200),
        ]
    }
}

#[cfg(test)]
mod tests;
