//! Figures as they stand in the table.

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: String,
    /// What was aimed for; empty where nothing was.
    pub(crate) aim: String,
    pub(crate) measured: String,
    /// Whether the aim was met, where there is one.
    pub(crate) met: Option<bool>,
}

/// What one measurement came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) figures: Vec<Figure>,
    /// How it was measured, as a paragraph.
    pub(crate) how: String,
    /// Why the load was not what it should have been.
    pub(crate) invalid: Option<String>,
    /// How much of the load the server refused for now, when it did: a finding like others.
    pub(crate) refused: Option<String>,
    /// What the server lost, doubled or reordered.
    pub(crate) broken: Option<String>,
    /// Why there are no figures.
    pub(crate) failed: Option<String>,
}

impl Findings {
    pub(crate) fn of(how: impl Into<String>) -> Self {
        Self { how: how.into(), ..Self::default() }
    }

    /// No figures, because of `error`.
    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        Self { failed: Some(format!("{error:#}")), ..Self::default() }
    }

    /// Adds a figure that is to be at most `aim`.
    pub(crate) fn at_most(&mut self, what: &str, aim: f64, value: f64, unit: &str, note: &str) {
        self.add(what, format!("≤ {aim} {unit}"), value, unit, note, Some(value <= aim));
    }

    /// Adds a figure that is to be at least `aim`.
    pub(crate) fn at_least(&mut self, what: &str, aim: f64, value: f64, unit: &str, note: &str) {
        self.add(what, format!("≥ {aim} {unit}"), value, unit, note, Some(value >= aim));
    }

    /// Adds a figure without an aim.
    pub(crate) fn plain(&mut self, what: &str, value: f64, unit: &str, note: &str) {
        self.add(what, String::new(), value, unit, note, None);
    }

    /// Adds that a load was refused, in place of what it would have shown.
    pub(crate) fn refuse(&mut self, what: &str, refused: String) {
        let (what, aim) = (what.to_owned(), String::new());
        self.figures.push(Figure { what, aim, measured: refused.clone(), met: None });
        self.refused = Some(refused);
    }

    fn add(&mut self, what: &str, aim: String, value: f64, unit: &str, note: &str, met: Option<bool>) {
        let note = if note.is_empty() { String::new() } else { format!(" ({note})") };
        let measured = format!("{} {unit}{note}", shown(value));
        self.figures.push(Figure { what: what.to_owned(), aim, measured, met });
    }
}

/// A number with as many digits as it deserves.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        big if big >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small < 0.1 => format!("{value:.3}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle of some values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// How many values there are, the least and the most, as text.
pub(crate) fn spread(values: &[f64]) -> String {
    format!("median of {}; {}", values.len(), range(values))
}

/// The least and the most of some values, as text.
pub(crate) fn range(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{}–{}", shown(least), shown(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_aim_is_said_to_be_missed() {
        let mut findings = Findings::default();
        findings.at_most("a", 8.0, 9.0, "KiB", "");
        findings.at_least("b", 10_000.0, 12_345.6, "sets/s", "median of 3");
        let rows: Vec<_> =
            findings.figures.iter().map(|figure| (figure.measured.as_str(), figure.met)).collect();
        assert_eq!(rows, [("9.00 KiB", Some(false)), ("12346 sets/s (median of 3)", Some(true))]);
    }

    #[test]
    fn numbers_have_three_digits_that_say_something() {
        assert_eq!([0.0251, 0.251, 2.51, 25.1, 251.0].map(shown), ["0.025", "0.25", "2.51", "25.1", "251"]);
    }

    #[test]
    fn the_middle_of_three_is_the_second() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
    }
}
