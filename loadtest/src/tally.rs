//! What was answered, how late, and what was not: of the whole run and of the second under way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use spotter_protocol::Reply;

use crate::pacer::{histogram, since};
use crate::results::{Delays, Fault, IntervalOperation, Operation};

/// The pause after a temporary refusal that names none.
const RETRY: Duration = Duration::from_millis(250);

/// Counts of a run; every connection adds to the same.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kinds: Mutex<BTreeMap<&'static str, Kind>>,
    /// From the planned time until it was sent, where nothing but the generator was in the way.
    lag: Mutex<Option<Histogram<u64>>>,
    connections: AtomicU64,
    /// Broken on purpose so far.
    faults: Mutex<Vec<Fault>>,
}

/// One kind of operation.
#[derive(Debug)]
struct Kind {
    all: Counted,
    interval: Counted,
}

#[derive(Debug)]
struct Counted {
    errors: BTreeMap<String, u64>,
    delays: Histogram<u64>,
}

impl Counted {
    fn new() -> Option<Self> {
        Some(Self { errors: BTreeMap::new(), delays: histogram().ok()? })
    }

    fn figures(&self) -> IntervalOperation {
        counted(self.errors.values().sum(), &self.delays)
    }
}

/// One kind in the second that has ended.
pub(crate) struct Second {
    pub(crate) kind: &'static str,
    pub(crate) counted: IntervalOperation,
    pub(crate) delays: Histogram<u64>,
}

impl Tally {
    /// Answered well just now; it was due at `planned`.
    pub(crate) fn done(&self, kind: &'static str, planned: Instant) {
        let delay = since(planned);
        self.count(kind, |counted| counted.delays.saturating_record(delay));
    }

    /// Refused, or not answered.
    pub(crate) fn failed(&self, kind: &'static str, why: &str) {
        self.count(kind, |counted| *counted.errors.entry(why.to_owned()).or_default() += 1);
    }

    /// Refused, but not for good; answers when it may be sent again.
    pub(crate) fn refused_for_now(&self, reply: &Reply) -> Instant {
        let fault = reply.error.as_ref();
        self.failed("refused_for_now", fault.map_or("none", |fault| fault.code.as_str()));
        let asked = fault.and_then(|fault| fault.retry_after_ms);
        Instant::now() + asked.map_or(RETRY, |ms| Duration::from_millis(ms.0.into()))
    }

    /// Sent just now; it was due at `planned`.
    pub(crate) fn sent(&self, planned: Instant) {
        let mut lag = lock(&self.lag);
        if lag.is_none() {
            *lag = histogram().ok();
        }
        if let Some(lag) = &mut *lag {
            lag.saturating_record(since(planned));
        }
    }

    /// Something was broken on purpose: its place among the faults.
    pub(crate) fn broken(&self, at: f64, what: &str) -> usize {
        let mut faults = lock(&self.faults);
        faults.push(Fault { at, what: what.to_owned(), consistent_after: None });
        faults.len() - 1
    }

    /// All is well again just now after the fault at that place, which began at `broken_at`.
    pub(crate) fn consistent(&self, fault: usize, broken_at: Instant) {
        self.done("consistent", broken_at);
        if let Some(fault) = lock(&self.faults).get_mut(fault) {
            fault.consistent_after = Some(broken_at.elapsed().as_secs_f64());
        }
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        lock(&self.faults).clone()
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    fn count(&self, kind: &'static str, note: impl Fn(&mut Counted)) {
        let mut kinds = lock(&self.kinds);
        let counted = match kinds.get_mut(kind) {
            Some(counted) => counted,
            None => {
                let (Some(all), Some(interval)) = (Counted::new(), Counted::new()) else { return };
                kinds.entry(kind).or_insert(Kind { all, interval })
            }
        };
        note(&mut counted.all);
        note(&mut counted.interval);
    }

    /// Ends a second: what was counted since the last one, of kinds that were.
    pub(crate) fn second(&self) -> Vec<Second> {
        let mut ended = Vec::new();
        for (kind, Kind { interval, .. }) in lock(&self.kinds).iter_mut() {
            if interval.delays.is_empty() && interval.errors.is_empty() {
                continue;
            }
            let Some(new) = Counted::new() else { continue };
            let counted = std::mem::replace(interval, new);
            ended.push(Second { kind, counted: counted.figures(), delays: counted.delays });
        }
        ended
    }

    /// The run so far, by kind.
    pub(crate) fn so_far(&self) -> BTreeMap<String, IntervalOperation> {
        lock(&self.kinds).iter().map(|(kind, of_kind)| ((*kind).to_owned(), of_kind.all.figures())).collect()
    }

    /// The whole run, by kind.
    ///
    /// # Errors
    /// When a histogram cannot be written.
    pub(crate) fn operations(&self) -> anyhow::Result<BTreeMap<String, Operation>> {
        let kinds = lock(&self.kinds);
        let of_kind = |(kind, Kind { all, .. }): (&&'static str, &Kind)| {
            anyhow::Ok(((*kind).to_owned(), operation(&all.delays, all.errors.clone())?))
        };
        kinds.iter().map(of_kind).collect()
    }

    /// How late the generator was itself.
    pub(crate) fn lag(&self) -> Delays {
        lock(&self.lag).as_ref().map(summed).unwrap_or_default()
    }
}

/// An operation, by its delays and errors.
///
/// # Errors
/// When the histogram cannot be written.
pub(crate) fn operation(delays: &Histogram<u64>, errors: BTreeMap<String, u64>) -> anyhow::Result<Operation> {
    Ok(Operation { count: delays.len(), errors, delay: summed(delays), histogram: encoded(delays)? })
}

/// An operation without what only a whole run has.
pub(crate) fn counted(errors: u64, delays: &Histogram<u64>) -> IntervalOperation {
    IntervalOperation { count: delays.len(), errors, delay: summed(delays) }
}

/// A histogram in HdrHistogram's V2 form, compressed, as base64.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn encoded(delays: &Histogram<u64>) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(delays, &mut bytes).map_err(|error| anyhow!("{error:?}"))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

pub(crate) fn summed(delays: &Histogram<u64>) -> Delays {
    if delays.is_empty() {
        return Delays::default();
    }
    Delays {
        mean: delays.mean(),
        p50: delays.value_at_quantile(0.5),
        p90: delays.value_at_quantile(0.9),
        p99: delays.value_at_quantile(0.99),
        p999: delays.value_at_quantile(0.999),
        max: delays.max(),
    }
}

/// A count is whole whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;

    use super::*;

    #[test]
    fn a_second_holds_what_came_in_it_and_the_run_holds_all() {
        let tally = Tally::default();
        tally.done("set", Instant::now());
        assert_eq!(tally.second().len(), 1);
        assert!(tally.second().is_empty(), "nothing came since");

        tally.done("set", Instant::now());
        tally.failed("set", "busy");

        let second = tally.second();
        assert_eq!((second.len(), second[0].kind), (1, "set"));
        assert_eq!((second[0].counted.count, second[0].counted.errors), (1, 1));
        let operations = tally.operations().unwrap();
        assert_eq!((operations["set"].count, operations["set"].errors["busy"]), (2, 1));
    }

    #[test]
    fn the_histogram_of_a_kind_can_be_read_again() {
        let tally = Tally::default();
        tally.done("set", Instant::now());
        let written = BASE64_STANDARD.decode(&tally.operations().unwrap()["set"].histogram).unwrap();
        let read: Histogram<u64> = Deserializer::new().deserialize(&mut &written[..]).unwrap();
        assert_eq!(read.len(), 1);
    }
}
