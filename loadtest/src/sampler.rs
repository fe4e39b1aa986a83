//! Looks once a second: what was answered, how the server is, and a line to read.

mod sum;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::iter::repeat;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow};
use futures_util::future::join_all;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::ledger::Ledger;
use crate::live::{Live, Now};
use crate::processor::Processor;
use crate::results::{Interval, ServerSample};
use crate::server::Server;
use crate::tally::{Second, Tally};
use crate::target::Target;
use sum::Sum;

/// How long the server may take to say how it is.
const METRICS_WITHIN: Duration = Duration::from_millis(800);

/// Looks until `ended`, shows each second, and answers a second after the other, and what processor the generator got. Their histograms are written to `log`.
pub(crate) async fn sample(
    tally: &Tally,
    ledger: &Mutex<Ledger>,
    target: &Target,
    mut live: Live,
    log: &Path,
    begun: Instant,
    mut ended: watch::Receiver<bool>,
) -> anyhow::Result<(Vec<Interval>, Processor)> {
    let http = reqwest::Client::builder().timeout(METRICS_WITHIN).no_proxy().build()?;
    let mut log = Log::create(log, started(begun))?;
    let mut intervals = Vec::new();
    let mut processor = Processor::begin();
    let mut sum = Sum::of(target.metrics.len());
    let mut last = 0.0;
    loop {
        let next = begun + Duration::from_secs(intervals.len() as u64 + 1);
        let is_over = tokio::select! {
            () = tokio::time::sleep_until(next.into()) => false,
            _ = ended.changed() => true,
        };
        let at = begun.elapsed().as_secs_f64();
        processor.look(Duration::from_secs_f64((at - last).max(0.0)));
        let mut now = second(tally, ledger, at);
        for (kind, delays) in &now.delays {
            log.write(kind, last, at, delays)?;
        }
        last = at;
        now.interval.server = look(&http, target, &mut sum).await;
        live.show(&now);
        intervals.push(now.interval);
        if is_over {
            log.finish()?;
            return Ok((intervals, processor));
        }
    }
}

/// Ends a second: what came in it, but for how the server is.
pub(crate) fn second(tally: &Tally, ledger: &Mutex<Ledger>, at: f64) -> Now {
    let (mut operations, mut of_kinds) = (BTreeMap::new(), BTreeMap::new());
    for Second { kind, counted, delays } in tally.second() {
        operations.insert(kind.to_owned(), counted);
        of_kinds.insert(kind.to_owned(), delays);
    }
    Now {
        interval: Interval { at, connections: tally.connections(), operations, server: None },
        delays: of_kinds,
        ledger: ledger.lock().unwrap_or_else(PoisonError::into_inner).so_far(),
        faults: tally.faults(),
        lag: tally.lag(),
    }
}

/// A log of histograms, a line for each operation in each second.
pub(crate) struct Log {
    file: BufWriter<File>,
}

impl Log {
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn create(path: &Path, begun: SystemTime) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut file = BufWriter::new(file);
        IntervalLogWriterBuilder::new()
            .add_comment("spotter-load; delays in microseconds from the planned time")
            .with_start_time(begun)
            .with_base_time(begun)
            .begin_log_with(&mut file, &mut V2DeflateSerializer::new())?;
        Ok(Self { file })
    }

    /// The delays from `from` to `to`, in seconds of the run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(
        &mut self,
        kind: &str,
        from: f64,
        to: f64,
        delays: &Histogram<u64>,
    ) -> anyhow::Result<()> {
        let (from, length) = (Duration::from_secs_f64(from), Duration::from_secs_f64((to - from).max(0.0)));
        IntervalLogWriterBuilder::new()
            .begin_log_with(&mut self.file, &mut V2DeflateSerializer::new())?
            .write_histogram(delays, from, length, Tag::new(kind))
            .map_err(|error| anyhow!("{error:?}"))
    }

    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.file.flush()?)
    }
}

#[expect(clippy::disallowed_methods, reason = "the log names the moment at which the run began")]
fn started(begun: Instant) -> SystemTime {
    SystemTime::now() - begun.elapsed()
}

async fn look(http: &reqwest::Client, target: &Target, sum: &mut Sum) -> Option<ServerSample> {
    let asking = target.metrics.iter().map(|url| metrics(http, url));
    let metrics = join_all(asking).await.into_iter();
    let processes = target.cluster.iter().flat_map(Cluster::nodes).map(Some).chain(repeat(None));
    let node = |(text, process): (Option<String>, Option<&Server>)| {
        let cpu_s = process.and_then(|process| process.cpu_s().ok());
        let rss_kib = process.and_then(|process| process.rss_kib().ok());
        (cpu_s.is_some() || text.is_some()).then(|| ServerSample {
            cpu_s,
            rss_kib,
            database_cpu_s: None,
            metrics: text.map(|text| read_metrics(&text)).unwrap_or_default(),
        })
    };
    let sample = sum.add(&metrics.zip(processes).map(node).collect::<Vec<_>>())?;
    let database_cpu_s = target.cluster.as_ref().and_then(|cluster| cluster.node(0).database_cpu_s());
    Some(ServerSample { database_cpu_s, ..sample })
}

/// What a server says of itself in the text form of Prometheus, when it says anything.
pub(crate) async fn metrics(http: &reqwest::Client, url: &str) -> Option<String> {
    async { http.get(url).send().await?.text().await }.await.ok()
}

/// How many observations of a metric without labels were at most as large as each of its bounds, the least bound first.
pub(crate) fn read_buckets(text: &str, metric: &str) -> Vec<(f64, f64)> {
    let bucket = |line: &str| {
        let (bound, count) = line.strip_prefix(metric)?.strip_prefix("_bucket{le=\"")?.split_once("\"} ")?;
        Some((bound.parse().ok()?, count.parse().ok()?))
    };
    text.lines().filter_map(bucket).collect()
}

/// The figures, by name and labels. Buckets are left out: sums and counts remain.
pub(crate) fn read_metrics(text: &str) -> BTreeMap<String, f64> {
    let figure = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let is_bucket = name.split('{').next().is_some_and(|name| name.ends_with("_bucket"));
        (!is_bucket)
            .then_some((name.to_owned(), value.parse::<f64>().ok().filter(|value| value.is_finite())?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_a_metric_are_in_their_order() {
        let text = "a_bucket{le=\"0.5\"} 7\na_bucket{le=\"+Inf\"} 9\nab_bucket{le=\"1\"} 1\na_sum 2\n";
        assert_eq!(read_buckets(text, "a"), [(0.5, 7.0), (f64::INFINITY, 9.0)]);
    }

    #[test]
    fn figures_of_the_server_keep_their_names_and_labels() {
        let text = "# HELP a b\na_total{op=\"x y\"} 3\nb 1.5\nc_bucket{le=\"1\"} 7\nc_sum 2\nd NaN\n";
        let read = read_metrics(text);
        assert_eq!(
            read.keys().map(String::as_str).collect::<Vec<_>>(),
            ["a_total{op=\"x y\"}", "b", "c_sum"]
        );
    }
}
