//! A run of several workers while it goes on: the seconds of all of them as one, and the run so far.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::merge::{self, Second};
use crate::live::Now;
use crate::results::{Delays, Interval, IntervalOperation};
use crate::saved::decoded;
use crate::tally::{counted, encoded};

/// What a second brought at a worker. However much is done in it, it holds one histogram of each operation, of 64 KiB at
/// most.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct News {
    now: Now,
    /// By operation, in HdrHistogram's V2 form, as base64.
    delays: BTreeMap<String, String>,
}

impl News {
    /// # Errors
    /// When a histogram cannot be written.
    pub(super) fn of(now: Now) -> anyhow::Result<Self> {
        let delays = now.delays.iter().map(|(kind, delays)| Ok((kind.clone(), encoded(delays)?)));
        let delays = delays.collect::<anyhow::Result<_>>()?;
        Ok(Self { now, delays })
    }

    fn read(self) -> anyhow::Result<Now> {
        let delays = self.delays.into_iter().map(|(kind, delays)| Ok((kind, decoded(&delays)?)));
        Ok(Now { delays: delays.collect::<anyhow::Result<_>>()?, ..self.now })
    }
}

/// What a lead knows of a run that goes on.
pub(super) struct Watch {
    workers: Vec<Watched>,
    /// Whether what it took to come is counted.
    have_come: bool,
    /// Of the run so far, what it took to come included, as of the run of one generator.
    delays: Second,
    errors: BTreeMap<String, u64>,
}

/// A worker.
#[derive(Default)]
struct Watched {
    /// What others have not told of yet.
    ahead: VecDeque<News>,
    last: Option<Now>,
    is_done: bool,
}

impl Watch {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Watched::default()).collect(),
            have_come: false,
            delays: Second::new(),
            errors: BTreeMap::new(),
        }
    }

    pub(super) fn told(&mut self, worker: usize, news: News) {
        self.workers[worker].ahead.push_back(news);
    }

    /// A worker tells no more.
    pub(super) fn done(&mut self, worker: usize) {
        self.workers[worker].is_done = true;
    }

    /// The next second, once all who still run have told of it.
    ///
    /// # Errors
    /// When a histogram of a worker cannot be read, or has another form than those of the others.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Now>> {
        let next = self.merged()?;
        if next.is_some() && !std::mem::replace(&mut self.have_come, true) {
            return self.merged();
        }
        Ok(next)
    }

    fn merged(&mut self) -> anyhow::Result<Option<Now>> {
        let is_told = |worker: &Watched| worker.is_done || !worker.ahead.is_empty();
        if !self.workers.iter().all(is_told) || self.workers.iter().all(|worker| worker.ahead.is_empty()) {
            return Ok(None);
        }
        for worker in &mut self.workers {
            worker.last = match worker.ahead.pop_front() {
                Some(news) => Some(news.read()?),
                None => worker.last.take().map(Now::without_news),
            };
        }
        let now = together(self.workers.iter().filter_map(|worker| worker.last.as_ref()))?;
        merge::add(&mut self.delays, &now.delays)?;
        for (kind, one) in &now.interval.operations {
            *self.errors.entry(kind.clone()).or_default() += one.errors;
        }
        Ok(Some(now))
    }

    /// The run so far, by operation.
    pub(super) fn so_far(&self) -> BTreeMap<String, IntervalOperation> {
        let errors = |kind| self.errors.get(kind).copied().unwrap_or_default();
        self.delays.iter().map(|(kind, delays)| (kind.clone(), counted(errors(kind), delays))).collect()
    }
}

/// The same second of all workers as one.
fn together<'a>(all: impl Iterator<Item = &'a Now> + Clone) -> anyhow::Result<Now> {
    let all = || all.clone();
    let mut delays = Second::new();
    for now in all() {
        merge::add(&mut delays, &now.delays)?;
    }
    let operation = |(kind, delays): (&String, _)| {
        let errors = all().filter_map(|now| now.interval.operations.get(kind)).map(|one| one.errors);
        (kind.clone(), counted(errors.sum(), delays))
    };
    Ok(Now {
        interval: Interval {
            at: all().map(|now| now.interval.at).fold(0.0, f64::max),
            connections: all().map(|now| now.interval.connections).sum(),
            operations: delays.iter().map(operation).collect(),
            server: all().find_map(|now| now.interval.server.clone()),
        },
        ledger: merge::ledger(all().map(|now| &now.ledger)),
        faults: merge::faults(all().map(|now| now.faults.as_slice())),
        lag: all().map(|now| now.lag).fold(Delays::default(), merge::worst),
        delays,
    })
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;
    use crate::pacer;
    use crate::results::Ledger;
    use crate::tally::summed;

    fn histogram_of(delays: &[u64]) -> Histogram<u64> {
        let mut histogram = pacer::histogram().unwrap();
        delays.iter().for_each(|delay| histogram.record(*delay).unwrap());
        histogram
    }

    /// Sets with those delays and one that was refused, as it comes from a worker.
    fn news(at: f64, delays: &[u64]) -> News {
        let of_sets = histogram_of(delays);
        let operations = [("set".to_owned(), counted(1, &of_sets))].into();
        let now = Now {
            interval: Interval { at, connections: 10, operations, server: None },
            delays: [("set".to_owned(), of_sets)].into(),
            ledger: Ledger::default(),
            faults: Vec::new(),
            lag: Delays::default(),
        };
        let written = serde_json::to_vec(&News::of(now).unwrap()).unwrap();
        serde_json::from_slice(&written).unwrap()
    }

    /// Two workers who have come.
    fn watch() -> Watch {
        let mut watch = Watch::new(2);
        (0..2).for_each(|worker| watch.told(worker, news(0.0, &[])));
        watch
    }

    fn next(watch: &mut Watch) -> Option<Now> {
        watch.next().unwrap()
    }

    #[test]
    fn the_delays_of_a_second_are_those_of_all_workers_together() {
        let mut watch = watch();
        // The slowest worker has few sets: its percentiles are not those of the run.
        let (fast, slow): (Vec<u64>, _) = ((1..=990).collect(), [50_000; 10]);
        watch.told(0, news(1.01, &fast));
        watch.told(1, news(1.0, &slow));

        let now = next(&mut watch).unwrap();

        let union = histogram_of(&[&fast[..], &slow].concat());
        let set = &now.interval.operations["set"];
        assert_eq!((set.count, set.errors, set.delay), (1_000, 2, summed(&union)));
        assert!(set.delay.p50 < 600 && set.delay.p99 < 1_000 && set.delay.p999 >= 50_000, "{set:?}");
        assert_eq!((now.interval.at, now.interval.connections), (1.01, 20));
    }

    #[test]
    fn the_run_so_far_is_all_seconds_of_all_workers_and_what_it_took_to_come() {
        let mut watch = Watch::new(2);
        for (worker, delays) in [(0, [[7], [100], [200]]), (1, [[8], [300], [90_000]])] {
            for (second, delays) in delays.iter().enumerate() {
                watch.told(worker, news(second as f64, delays));
            }
        }

        assert_eq!(next(&mut watch).unwrap().interval.at, 1.0, "to come is no second");
        assert_eq!(next(&mut watch).unwrap().interval.at, 2.0);
        assert!(next(&mut watch).is_none());

        let set = &watch.so_far()["set"];
        let union = histogram_of(&[7, 8, 100, 200, 300, 90_000]);
        assert_eq!((set.count, set.errors, set.delay), (6, 6, summed(&union)));
    }

    #[test]
    fn a_second_in_which_every_delay_came_is_not_large() {
        let mut all = pacer::histogram().unwrap();
        let step = |delay: &u64| Some(delay + (delay / 2_000).max(1));
        for (number, delay) in
            std::iter::successors(Some(1), step).take_while(|us| *us < 60_000_000).enumerate()
        {
            all.record_n(delay, 1 + number as u64 * 7_919 % 20_000).unwrap();
        }
        assert!(all.iter_recorded().count() > 15_000);
        assert!(encoded(&all).unwrap().len() < 64 * 1024, "{}", encoded(&all).unwrap().len());
    }

    #[test]
    fn a_second_waits_for_all_who_still_run() {
        let mut watch = watch();
        watch.told(0, news(1.0, &[100]));
        watch.told(0, news(2.0, &[100]));
        assert!(next(&mut watch).is_none(), "the other has not told of it");

        watch.told(1, news(1.0, &[100]));
        watch.done(1);

        assert_eq!(next(&mut watch).unwrap().interval.operations["set"].count, 2);
        let alone = next(&mut watch).unwrap().interval;
        assert_eq!((alone.operations["set"].count, alone.connections), (1, 10));
        assert!(next(&mut watch).is_none());
    }
}
