//! What a run leaves behind: `results.json`. Reports, comparisons and merged workers read nothing else.
//!
//! Times are seconds since the run began, delays microseconds. A reader refuses a [`SCHEMA`] it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The form of this build.
pub(crate) const SCHEMA: u32 = 1;

/// A run, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The form of this file: [`SCHEMA`].
    pub(crate) schema: u32,
    pub(crate) run: Run,
    pub(crate) host: Host,
    /// One after another.
    pub(crate) stages: Vec<Stage>,
    /// By the name of the operation: `set`, `start`, `cue`, `message`, `subscribe`, `resume`, `connect`, `delivery`,
    /// `tile` …
    pub(crate) operations: BTreeMap<String, Operation>,
    /// One a second, oldest first.
    pub(crate) intervals: Vec<Interval>,
    /// In the order in which they were made.
    pub(crate) faults: Vec<Fault>,
    pub(crate) ledger: Ledger,
    pub(crate) generator: Generator,
    pub(crate) thresholds: Vec<Threshold>,
    /// Absent when the run went to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aborted: Option<Aborted>,
    pub(crate) verdict: Verdict,
}

impl Results {
    /// The operations without what only the whole run has: histograms, and the reasons of errors.
    pub(crate) fn counted(&self) -> BTreeMap<String, IntervalOperation> {
        let counted = |one: &Operation| IntervalOperation {
            count: one.count,
            errors: one.errors.values().sum(),
            delay: one.delay,
        };
        self.operations.iter().map(|(kind, one)| (kind.clone(), counted(one))).collect()
    }
}

/// What was run, and against what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Of the scenario.
    pub(crate) name: String,
    /// The scenario as it was read, in TOML.
    pub(crate) scenario: String,
    /// The same seed makes the same plan.
    pub(crate) seed: u64,
    /// In microseconds since 1970.
    pub(crate) started_at: i64,
    pub(crate) seconds: f64,
    /// Where the server is reached.
    pub(crate) target: String,
    /// What was started for the run: `SQLite`, `PostgreSQL`; absent when the server ran already.
    pub(crate) database: Option<String>,
    /// The server's own word on its version, when it gives one.
    pub(crate) server_version: Option<String>,
    /// Of this harness.
    pub(crate) version: String,
    /// Nodes that were the server together; absent when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nodes: Option<u32>,
    /// Generators that shared the run; absent when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workers: Option<u32>,
}

/// The machine of the generator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_kib: u64,
    pub(crate) kernel: String,
}

/// A part of the run with its own rate of arrivals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// All of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    /// Answered well.
    pub(crate) count: u64,
    /// Refused or unanswered, by the word of the fault.
    pub(crate) errors: BTreeMap<String, u64>,
    /// From the planned time.
    pub(crate) delay: Delays,
    /// The histogram of those delays, in HdrHistogram's V2 form with compression, as base64. It merges exactly.
    pub(crate) histogram: String,
}

/// Delays in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delays {
    pub(crate) mean: f64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// A second of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// When it ended.
    pub(crate) at: f64,
    /// Open at its end.
    pub(crate) connections: u64,
    /// Answered in it, with their delays.
    pub(crate) operations: BTreeMap<String, IntervalOperation>,
    /// The server at its end; absent when it cannot be asked.
    pub(crate) server: Option<ServerSample>,
}

/// One kind in a part of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct IntervalOperation {
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) delay: Delays,
}

/// What a server says of itself, or the system of it; of all its nodes together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerSample {
    /// Processor seconds since its first start in the run.
    pub(crate) cpu_s: Option<f64>,
    pub(crate) rss_kib: Option<f64>,
    /// Processor seconds of the database, where the run started it.
    pub(crate) database_cpu_s: Option<f64>,
    /// Further figures of `/metrics`, by their names there.
    pub(crate) metrics: BTreeMap<String, f64>,
}

/// Something that was broken on purpose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) at: f64,
    /// Such as `kill server`.
    pub(crate) what: String,
    /// Seconds until every client had again all that is its; absent when that did not come.
    pub(crate) consistent_after: Option<f64>,
}

/// What became of every operation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Acknowledged.
    pub(crate) acknowledged: u64,
    /// Copies that had to arrive, and did.
    pub(crate) delivered: u64,
    /// Acknowledged, but not stored or not delivered.
    pub(crate) lost: u64,
    /// Stored or delivered more than once.
    pub(crate) doubled: u64,
    /// Delivered in another order than stored.
    pub(crate) reordered: u64,
    /// Seen by whom it is not for.
    pub(crate) leaked: u64,
    /// Some of those, in words.
    pub(crate) examples: Vec<String>,
}

/// Whether the load was what it should have been.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Generator {
    /// From the planned time until it was sent.
    pub(crate) lag: Delays,
    pub(crate) cpu_s: f64,
    pub(crate) rss_kib: f64,
    /// Seconds that its threads were ready and waited for a processor, together.
    #[serde(default)]
    pub(crate) waited_s: f64,
    /// Seconds of the run in which it had no processor left.
    #[serde(default)]
    pub(crate) starved_s: f64,
}

/// An objective, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Threshold {
    /// As it was written: `set.p99 < 10ms`.
    pub(crate) what: String,
    /// In the unit it was written in.
    pub(crate) measured: String,
    pub(crate) met: bool,
}

/// Why a run ended before its plan did: a threshold that was missed over all of it so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aborted {
    pub(crate) at: f64,
    /// As it was written.
    pub(crate) what: String,
    /// Then; what came until all was answered counts towards the threshold too.
    pub(crate) measured: String,
}

impl std::fmt::Display for Aborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { at, what, measured } = self;
        write!(f, "ended early, at {at:.0} s: {what} was {measured}")
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Exit code 0.
    Passed,
    /// 97: the generator itself was late, or had no processor left.
    Invalid,
    /// 98: something was lost, doubled, reordered or leaked.
    Broken,
    /// 99: a threshold was not met.
    Failed,
}
