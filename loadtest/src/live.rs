//! What is shown of a run while it goes on: a screen where standard output is a terminal, else a line each second.

mod screen;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::results::{Delays, Fault, Interval, Ledger};
use crate::scenario::Scenario;
use screen::Screen;

/// The run as it is after a second.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Now {
    #[serde(flatten)]
    pub(crate) interval: Interval,
    /// Those that the interval sums up, by operation. They can be added.
    #[serde(skip)]
    pub(crate) delays: BTreeMap<String, Histogram<u64>>,
    /// What is known so far.
    pub(crate) ledger: Ledger,
    /// Those that began, and how they ended as far as they did.
    pub(crate) faults: Vec<Fault>,
    /// How late the generator was itself, so far.
    pub(crate) lag: Delays,
}

impl Now {
    /// The same when nothing more comes: of a worker that is done before the others.
    pub(crate) fn without_news(self) -> Self {
        let interval =
            Interval { connections: 0, operations: BTreeMap::new(), server: None, ..self.interval };
        Self { interval, delays: BTreeMap::new(), ..self }
    }
}

/// Who is shown it, and how.
pub(crate) enum Live {
    Screen(Box<Screen>),
    /// To standard error; so many faults were told of.
    Lines(usize),
    /// To standard output.
    JsonLines,
    /// Whoever asked for this part of a run.
    Told(Box<dyn Fn(Now) + Send>),
}

impl Live {
    /// # Errors
    /// When the terminal cannot be drawn on.
    pub(crate) fn begin(scenario: &Scenario, json_lines: bool) -> anyhow::Result<Self> {
        let is_dumb = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
        if json_lines {
            Ok(Self::JsonLines)
        } else if std::io::stdout().is_terminal() && !is_dumb {
            Ok(Self::Screen(Box::new(Screen::open(scenario)?)))
        } else {
            Ok(Self::Lines(0))
        }
    }

    /// Tells whoever asked for this part of a run what it took to come, which is part of the run and of no second.
    pub(crate) fn came(&self, coming: Now) {
        if let Self::Told(tell) = self {
            tell(coming);
        }
    }

    /// Shows what a second has brought. A terminal that is gone, or a pipe nobody reads, does not end the run.
    pub(crate) fn show(&mut self, now: &Now) {
        match self {
            Self::Screen(screen) => screen.show(now),
            Self::Lines(told) => {
                for Fault { at, what, .. } in &now.faults[(*told).min(now.faults.len())..] {
                    eprintln!("{at:4.0}s  fault: {what}");
                }
                *told = now.faults.len();
                eprintln!("{}", line(&now.interval));
            }
            Self::Told(tell) => tell(now.clone()),
            Self::JsonLines => {
                if let Ok(line) = serde_json::to_string(now) {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
            }
        }
    }
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
    fn a_second_is_one_line() {
        let counted = crate::results::IntervalOperation { count: 98, ..Default::default() };
        let operations = [("set".to_owned(), counted)].into();
        let interval = Interval { at: 12.01, connections: 41, operations, server: None };
        assert_eq!(line(&interval), "  12s  98 set p99 0.0ms  41 connections  0 errors");
    }
}
