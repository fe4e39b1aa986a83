//! What the nodes of a server say of themselves, as one.

use std::collections::BTreeMap;

use crate::results::ServerSample;

/// How a figure of several nodes becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It only rises, from nought, while a process runs: all that was ever counted.
    Counted,
    /// What the nodes have now, together.
    Added,
    /// The most that one of them has.
    Largest,
}

impl Way {
    /// By the name of a metric, with its labels.
    fn of(metric: &str) -> Self {
        let name = metric.split('{').next().unwrap_or(metric);
        if ["_total", "_sum", "_count"].iter().any(|end| name.ends_with(end)) {
            Self::Counted
        } else if name.contains("queue") || ["_nodes", "_info"].iter().any(|end| name.ends_with(end)) {
            Self::Largest
        } else {
            Self::Added
        }
    }
}

/// The nodes so far. A node that was started again goes on counting where it stood, and one that says nothing has still
/// done what it did: else all that the others ever did would seem to be done anew.
#[derive(Debug)]
pub(super) struct Sum(Vec<Node>);

#[derive(Clone, Debug, Default)]
struct Node {
    cpu_s: Counter,
    metrics: BTreeMap<String, Counter>,
}

/// A figure that only rises while a process runs.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// Of the processes before.
    before: f64,
    now: f64,
}

impl Counter {
    fn note(&mut self, now: f64) {
        if now < self.now {
            self.before += self.now;
        }
        self.now = now;
    }

    fn all(self) -> f64 {
        self.before + self.now
    }
}

impl Sum {
    pub(super) fn of(nodes: usize) -> Self {
        Self(vec![Node::default(); nodes])
    }

    /// The nodes as one, by what each says now; nothing when none of them says anything.
    pub(super) fn add(&mut self, said: &[Option<ServerSample>]) -> Option<ServerSample> {
        let mut sum = ServerSample::default();
        for (node, said) in self.0.iter_mut().zip(said) {
            let Some(said) = said else { continue };
            said.cpu_s.iter().for_each(|cpu_s| node.cpu_s.note(*cpu_s));
            sum.rss_kib = sum.rss_kib.into_iter().chain(said.rss_kib).reduce(|one, other| one + other);
            for (name, value) in &said.metrics {
                match Way::of(name) {
                    Way::Counted => node.metrics.entry(name.clone()).or_default().note(*value),
                    Way::Added => *sum.metrics.entry(name.clone()).or_default() += value,
                    Way::Largest => {
                        let largest = sum.metrics.entry(name.clone()).or_default();
                        *largest = largest.max(*value);
                    }
                }
            }
        }
        let is_timed = said.iter().flatten().any(|said| said.cpu_s.is_some());
        sum.cpu_s = is_timed.then(|| self.0.iter().map(|node| node.cpu_s.all()).sum());
        for (name, counter) in self.0.iter().flat_map(|node| &node.metrics) {
            *sum.metrics.entry(name.clone()).or_default() += counter.all();
        }
        said.iter().any(Option::is_some).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(cpu_s: f64, metrics: &[(&str, f64)]) -> Option<ServerSample> {
        let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Some(ServerSample { cpu_s: Some(cpu_s), rss_kib: Some(1_000.0), database_cpu_s: None, metrics })
    }

    #[test]
    fn what_nodes_have_is_added_and_of_queues_the_longest_counts() {
        let one = [("connections", 3.0), ("queue_writes{lane=\"0\"}", 5.0), ("a_info{version=\"1\"}", 1.0)];
        let other = [("connections", 4.0), ("queue_writes{lane=\"0\"}", 2.0), ("a_info{version=\"1\"}", 1.0)];
        let sum = Sum::of(2).add(&[said(1.0, &one), said(2.5, &other)]).unwrap();
        assert_eq!((sum.cpu_s, sum.rss_kib), (Some(3.5), Some(2_000.0)));
        let values: Vec<_> = sum.metrics.into_values().collect();
        assert_eq!(values, [1.0, 7.0, 5.0], "a_info, connections, queue_writes");
    }

    #[test]
    fn counters_go_on_while_a_node_is_away_and_when_it_was_started_again() {
        let mut sum = Sum::of(2);
        let node = |cpu_s: f64| said(cpu_s, &[("sets_total", cpu_s * 10.0)]);
        let mut counted = |one, other| {
            let sum = sum.add(&[one, other]).unwrap();
            (sum.cpu_s.unwrap(), sum.metrics["sets_total"])
        };
        assert_eq!(counted(node(2.0), node(3.0)), (5.0, 50.0));
        assert_eq!(counted(None, node(4.0)), (6.0, 60.0));
        assert_eq!(counted(node(0.5), node(4.0)), (6.5, 65.0));
        assert_eq!(counted(node(1.0), node(4.0)), (7.0, 70.0));
    }

    #[test]
    fn nodes_that_say_nothing_are_no_sample() {
        assert_eq!(Sum::of(2).add(&[None, None]), None);
    }
}
