//! The table of the comparison.

use std::fmt::Write;

use crate::figures::{median, range, shown};
use crate::report::{Verdict, machine};
use crate::server::Kind;

/// What one measurement came to.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) samples: Vec<Sample>,
    /// Why the load was not what it should have been.
    pub(super) invalid: Option<String>,
    /// How much of the load the server refused for now.
    pub(super) refused: Option<String>,
    /// What the server lost, doubled or reordered.
    pub(super) broken: Option<String>,
}

/// A figure's name and its value.
pub(super) type Sample = (String, f64);

/// All samples: a row for each figure, in the order in which they came, a column for each server.
pub(super) struct Table {
    columns: Vec<Kind>,
    rows: Vec<(String, Vec<Vec<f64>>)>,
    troubles: Vec<String>,
}

impl Table {
    pub(super) const fn of(columns: Vec<Kind>) -> Self {
        Self { columns, rows: Vec::new(), troubles: Vec::new() }
    }

    /// Takes a measurement, and says what it is worth. A yardstick that loses something is a poor one; only Spotter
    /// is on trial.
    pub(super) fn take(&mut self, column: usize, what: &str, measured: Measured) -> Verdict {
        for (name, value) in measured.samples {
            eprintln!("  {name}: {}", shown(value));
            self.note(column, name, value);
        }
        let mut verdict = Verdict::Ran;
        if let Some(why) = measured.invalid {
            self.troubles.push(format!("{what}: INVALID: {why}"));
            verdict = Verdict::Invalid;
        }
        if let Some(refused) = measured.refused {
            self.troubles.push(format!("{what}: REFUSED: {refused}"));
        }
        if let Some(why) = measured.broken {
            self.troubles.push(format!("{what}: BROKEN: {why}"));
            if self.columns[column] == Kind::Spotter {
                verdict = Verdict::Broken;
            }
        }
        verdict
    }

    /// Notes that a measurement could not be made.
    pub(super) fn failed(&mut self, what: &str, error: &anyhow::Error) -> Verdict {
        self.troubles.push(format!("{what}: FAILED: {error:#}"));
        Verdict::Failed
    }

    fn note(&mut self, column: usize, name: String, value: f64) {
        let row = self.rows.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.rows.push((name, vec![Vec::new(); self.columns.len()]));
            self.rows.len() - 1
        });
        self.rows[row].1[column].push(value);
    }

    /// The page: what was run and how, then the table.
    pub(super) fn page(&self, command: &str, how: &str) -> anyhow::Result<String> {
        let floor = self.columns.iter().position(|kind| *kind == Kind::Bare);
        let others = |floor| (0..self.columns.len()).filter(move |n| *n != floor).map(move |n| (n, floor));
        let compared: Vec<(usize, usize)> = floor.into_iter().flat_map(others).collect();
        let mut page = String::new();
        writeln!(page, "## Beside servers without an engine\n\n{}\n\n    {command}\n\n{how}\n", machine())?;
        if cfg!(debug_assertions) {
            writeln!(
                page,
                "**The generator was not optimised: it took more of the shared cores than it needs.**\n"
            )?;
        }
        let names = self.columns.iter().map(|kind| kind.name().to_owned());
        let ratios = compared
            .iter()
            .map(|&(n, floor)| format!("{} ÷ {}", self.columns[n].name(), self.columns[floor].name()));
        let heads: Vec<_> = names.chain(ratios).collect();
        writeln!(page, "| | {} |\n|---|{}", heads.join(" | "), "---|".repeat(heads.len()))?;
        for (name, samples) in &self.rows {
            let cells = samples.iter().map(|samples| cell(samples));
            let ratios = compared.iter().map(|&(n, floor)| ratio(&samples[n], &samples[floor]));
            writeln!(page, "| {name} | {} |", cells.chain(ratios).collect::<Vec<_>>().join(" | "))?;
        }
        for trouble in &self.troubles {
            write!(page, "\n- **{trouble}**")?;
        }
        if !self.troubles.is_empty() {
            writeln!(page)?;
        }
        Ok(page)
    }
}

fn cell(samples: &[f64]) -> String {
    match samples {
        [] => "–".to_owned(),
        [only] => shown(*only),
        several => format!("{} ({})", shown(median(several)), range(several)),
    }
}

fn ratio(samples: &[f64], floor: &[f64]) -> String {
    let ratio = median(samples) / median(floor);
    if ratio.is_finite() { shown(ratio) } else { "–".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(value: f64) -> Measured {
        Measured { samples: vec![("sets/s".to_owned(), value)], ..Measured::default() }
    }

    #[test]
    fn every_other_server_is_a_ratio_of_the_floor() {
        let mut table = Table::of(vec![Kind::Spotter, Kind::Bare, Kind::SocketIo]);
        for (column, value) in [(0, 10.0), (0, 30.0), (0, 20.0), (1, 40.0)] {
            table.take(column, "", measured(value));
        }

        let page = table.page("spotter-load", "").unwrap();

        assert!(
            page.contains("| | spotter | bare | socketio | spotter ÷ bare | socketio ÷ bare |\n"),
            "{page}"
        );
        assert!(page.contains("| sets/s | 20.0 (10.0–30.0) | 40.0 | – | 0.50 | – |\n"), "{page}");
    }

    #[test]
    fn a_load_that_is_refused_is_said_and_fails_nothing() {
        let mut table = Table::of(vec![Kind::Spotter]);
        let refused = Some("25 of 100 sets (25.0 %) refused, 7500 sets/s carried".to_owned());
        assert_eq!(table.take(0, "spotter", Measured { refused, ..Measured::default() }), Verdict::Ran);
        let page = table.page("spotter-load", "").unwrap();
        assert!(page.contains("- **spotter: REFUSED: 25 of 100 sets (25.0 %) refused, 7500"), "{page}");
    }

    #[test]
    fn only_what_spotter_loses_breaks_a_comparison() {
        let mut table = Table::of(vec![Kind::Spotter, Kind::SocketIo]);
        let broken = || Measured { broken: Some("version 4 came after 4".to_owned()), ..measured(1.0) };

        assert_eq!(table.take(1, "socketio", broken()), Verdict::Ran);
        assert_eq!(table.take(0, "spotter", broken()), Verdict::Broken);

        assert!(
            table
                .page("spotter-load", "")
                .unwrap()
                .contains("- **socketio: BROKEN: version 4 came after 4**")
        );
    }
}
