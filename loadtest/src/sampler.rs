//! Looks once a second: what was answered, how the server is, and a line to read.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use tokio::sync::watch;

use crate::processor::Processor;
use crate::results::{Interval, ServerSample};
use crate::server::Server;
use crate::tally::{Second, Tally};

/// How long the server may take to say how it is.
const METRICS_WITHIN: Duration = Duration::from_millis(800);

/// Looks until `ended`, and answers a second after the other, and what processor the generator got. Their histograms are written to `log`.
pub(crate) async fn sample(
    tally: Arc<Tally>,
    server: Option<&Server>,
    metrics: Option<&str>,
    log: &Path,
    begun: Instant,
    mut ended: watch::Receiver<bool>,
) -> anyhow::Result<(Vec<Interval>, Processor)> {
    let http = reqwest::Client::builder().timeout(METRICS_WITHIN).no_proxy().build()?;
    let mut file =
        BufWriter::new(File::create(log).with_context(|| format!("cannot write {}", log.display()))?);
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("spotter-load; delays in microseconds from the planned time")
        .with_start_time(started(begun))
        .with_base_time(started(begun))
        .begin_log_with(&mut file, &mut serializer)?;
    let mut intervals = Vec::new();
    let mut processor = Processor::begin();
    let mut last = 0.0;
    loop {
        let next = begun + Duration::from_secs(intervals.len() as u64 + 1);
        let is_over = tokio::select! {
            () = tokio::time::sleep_until(next.into()) => false,
            _ = ended.changed() => true,
        };
        let at = begun.elapsed().as_secs_f64();
        let (from, length) = (Duration::from_secs_f64(last), Duration::from_secs_f64((at - last).max(0.0)));
        last = at;
        processor.look(length);
        let mut interval =
            Interval { at, connections: tally.connections(), operations: [].into(), server: None };
        for Second { kind, counted, delays } in tally.second() {
            log.write_histogram(&delays, from, length, Tag::new(kind))
                .map_err(|error| anyhow!("{error:?}"))?;
            interval.operations.insert(kind.to_owned(), counted);
        }
        interval.server = look(&http, server, metrics).await;
        eprintln!("{}", line(&interval));
        intervals.push(interval);
        if is_over {
            return Ok((intervals, processor));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the log names the moment at which the run began")]
fn started(begun: Instant) -> SystemTime {
    SystemTime::now() - begun.elapsed()
}

async fn look(
    http: &reqwest::Client,
    server: Option<&Server>,
    metrics: Option<&str>,
) -> Option<ServerSample> {
    let (cpu_s, rss_kib) = server.map_or((None, None), |server| (server.cpu_s().ok(), server.rss_kib().ok()));
    let database_cpu_s = server.and_then(Server::database_cpu_s);
    let text = match metrics {
        Some(url) => async { http.get(url).send().await?.text().await }.await.ok(),
        None => None,
    };
    let metrics = text.as_deref().map(read_metrics);
    (cpu_s.is_some() || metrics.is_some()).then(|| ServerSample {
        cpu_s,
        rss_kib,
        database_cpu_s,
        metrics: metrics.unwrap_or_default(),
    })
}

/// The figures in the text form of Prometheus, by name and labels. Buckets are left out: sums and counts remain.
fn read_metrics(text: &str) -> std::collections::BTreeMap<String, f64> {
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let is_bucket = name.split('{').next().is_some_and(|name| name.ends_with("_bucket"));
        (!is_bucket)
            .then_some((name.to_owned(), value.parse::<f64>().ok().filter(|value| value.is_finite())?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(figure).collect()
}

/// A second to read: `12s  98 set/s p99 3.1ms  196 delivery/s p99 4.0ms  241 connections  0 errors`.
fn line(interval: &Interval) -> String {
    let mut line = format!("{:4.0}s", interval.at);
    for kind in ["set", "late_set", "delivery", "tile", "resume"] {
        let Some(counted) = interval.operations.get(kind).filter(|counted| counted.count > 0) else {
            continue;
        };
        line += &format!("  {} {kind} p99 {:.1}ms", counted.count, counted.delay.p99 as f64 / 1000.0);
    }
    let errors: u64 = interval.operations.values().map(|counted| counted.errors).sum();
    line += &format!("  {} connections  {errors} errors", interval.connections);
    if let Some(kib) = interval.server.as_ref().and_then(|server| server.rss_kib) {
        line += &format!("  {:.0} MiB", kib / 1024.0);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_server_keep_their_names_and_labels() {
        let text = "# HELP a b\na_total{op=\"x y\"} 3\nb 1.5\nc_bucket{le=\"1\"} 7\nc_sum 2\nd NaN\n";
        let read = read_metrics(text);
        assert_eq!(
            read.keys().map(String::as_str).collect::<Vec<_>>(),
            ["a_total{op=\"x y\"}", "b", "c_sum"]
        );
    }

    #[test]
    fn a_second_is_one_line() {
        let counted = crate::results::IntervalOperation { count: 98, ..Default::default() };
        let operations = [("set".to_owned(), counted)].into();
        let interval = Interval { at: 12.01, connections: 41, operations, server: None };
        assert_eq!(line(&interval), "  12s  98 set p99 0.0ms  41 connections  0 errors");
    }
}
