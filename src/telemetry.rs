//! What the node tells its operator: log records on standard error, and metrics.

use std::io::{IsTerminal, stderr};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

/// Upper edges of the buckets of every histogram of seconds: from a fifth of a millisecond to ten seconds.
const SECONDS: [f64; 15] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Why telemetry could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Give `log.filter` the form it must have.
    #[error("log.filter is no filter such as `info,spotter=debug`")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It began before in this process.
    #[error("a log is being written already")]
    Log(#[from] TryInitError),
    /// It began before in this process.
    #[error("metrics are being recorded already")]
    Metrics(#[from] BuildError),
}

/// Begins to write the log of this process.
///
/// # Errors
/// [`TelemetryError::Filter`] when the filter cannot be read.
pub fn write_log(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(&log.filter)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    match log.format {
        LogFormat::Text => subscriber.finish().try_init()?,
        LogFormat::Json => subscriber.json().finish().try_init()?,
    }
    Ok(())
}

/// Begins to record the metrics of this process. Call `run_upkeep` on the handle every few seconds: what is
/// recorded between two scrapes waits in memory.
///
/// # Errors
/// When metrics are recorded already.
pub fn record_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe();
    metrics::gauge!("spotter_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("spotter_build_info", "Always 1; the labels name the build");
    describe_gauge!("spotter_actors_quarantined", "Entities that wait for an operator");
    describe_counter!(
        "spotter_commands_abandoned_total",
        "Commands that the server failed twice on and gave up"
    );
    describe_counter!("spotter_commands_parked_total", "Commands that met an entity on its way to rest");
    describe_counter!("spotter_entity_archived_total", "Entities that left an old month of the journal");
    describe_counter!(
        "spotter_entity_rotations_total",
        "New streams begun by entities whose stream grew long"
    );
    describe_histogram!("spotter_entity_batch_commands", "Commands of one entity judged together");
    describe_histogram!("spotter_journal_batch_appends", "Commits of entities in one statement");
    describe_histogram!(
        "spotter_journal_commit_seconds",
        Unit::Seconds,
        "From offering a batch to the store until its outcome is known or given up"
    );
    describe_gauge!("spotter_journal_queue_writes", "Writes of a lane behind those of the batch under way");
    describe_counter!("spotter_auth_attempts_total", "Sign-ins and token exchanges by result");
    describe_histogram!(
        "spotter_http_request_duration_seconds",
        Unit::Seconds,
        "From the head of a request to the head of its response"
    );
}
