//! A table in a text, whose every complaint says where.

use anyhow::{Context, anyhow, bail};
use csv::{ReaderBuilder, StringRecord};
use spotter_protocol::{Effort, EffortScale, Load, Metres, Reps, Seconds, Unit};
use time::{Date, Month};

/// Pounds are typed as pounds; a mile is exactly so long.
const METRES_IN_A_MILE: f64 = 1_609.344;

pub(super) struct Table {
    head: StringRecord,
    rows: Vec<(u64, StringRecord)>,
}

/// A row and its line.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    table: &'a Table,
    line: u64,
    cells: &'a StringRecord,
}

impl Table {
    /// Reads a table whose first line names the columns; cells are apart by whichever of `;` and `,` that line has more of.
    pub(super) fn read(text: &str) -> anyhow::Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let first = text.lines().next().unwrap_or_default();
        let many = |c: char| first.chars().filter(|other| *other == c).count();
        let apart = if many(';') > many(',') { b';' } else { b',' };
        let mut reader = ReaderBuilder::new().delimiter(apart).from_reader(text.as_bytes());
        let head = reader.headers()?.clone();
        let mut rows = Vec::new();
        for record in reader.into_records() {
            let record = record?;
            rows.push((record.position().map_or(0, csv::Position::line), record));
        }
        Ok(Self { head, rows })
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.head.iter().any(|name| name == column)
    }

    /// The first of these columns that is there.
    pub(super) fn any(&self, columns: &[&'static str]) -> anyhow::Result<&'static str> {
        let found = columns.iter().find(|column| self.has(column)).copied();
        found.with_context(|| format!("column {} is missing", columns.join(" or ")))
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|(line, cells)| Row { table: self, line: *line, cells })
    }
}

impl<'a> Row<'a> {
    /// The cell of a column.
    pub(super) fn text(self, column: &str) -> anyhow::Result<&'a str> {
        let place = self.table.head.iter().position(|name| name == column);
        let place = place.with_context(|| format!("column {column} is missing"))?;
        Ok(self.cells.get(place).unwrap_or_default().trim())
    }

    /// A complaint about a cell.
    pub(super) fn fault(self, column: &str, why: &str) -> anyhow::Error {
        let cell = self.text(column).unwrap_or_default();
        anyhow!("line {}, column {column}: `{cell}`: {why}", self.line)
    }

    /// A number above zero; none where the cell is empty or zero, which the logs do not tell apart.
    pub(super) fn number(self, column: &str) -> anyhow::Result<Option<f64>> {
        let cell = self.text(column)?;
        if cell.is_empty() {
            return Ok(None);
        }
        let number = cell.replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite());
        match number {
            Some(number) if number >= 0.0 => Ok((number > 0.0).then_some(number)),
            Some(_) => bail!(self.fault(column, "below zero")),
            None => bail!(self.fault(column, "no number")),
        }
    }

    /// A number of `parts` in whole, as a quantity.
    fn quantity<T>(
        self,
        column: &str,
        parts: f64,
        quantity: impl FnOnce(u32) -> Result<T, &'static str>,
    ) -> anyhow::Result<Option<T>> {
        let Some(number) = self.number(column)? else { return Ok(None) };
        let whole = (number * parts).round();
        if whole > f64::from(u32::MAX) {
            bail!(self.fault(column, "too much"));
        }
        quantity(whole as u32).map(Some).map_err(|why| self.fault(column, why))
    }

    pub(super) fn load(self, column: &str, unit: Unit) -> anyhow::Result<Option<Load>> {
        self.quantity(column, 1_000.0, |thousandths| Load::new(thousandths, unit))
    }

    pub(super) fn reps(self, column: &str) -> anyhow::Result<Option<Reps>> {
        if self.number(column)?.is_some_and(|number| number.fract() > 0.0) {
            bail!(self.fault(column, "a part of a repetition"));
        }
        self.quantity(column, 1.0, Reps::new)
    }

    pub(super) fn seconds(self, column: &str) -> anyhow::Result<Option<Seconds>> {
        self.quantity(column, 1.0, Seconds::new)
    }

    /// A distance in `unit`: `m`, `km` or `mi`.
    pub(super) fn metres(self, column: &str, unit: &str) -> anyhow::Result<Option<Metres>> {
        let parts = match unit {
            "m" => 1.0,
            "km" => 1_000.0,
            "mi" => METRES_IN_A_MILE,
            _ => bail!(self.fault(column, &format!("`{unit}` is no unit of distance"))),
        };
        self.quantity(column, parts, Metres::new)
    }

    pub(super) fn rpe(self, column: &str) -> anyhow::Result<Option<Effort>> {
        self.quantity(column, 10.0, |tenths| {
            let tenths = u8::try_from(tenths).map_err(|_| "effort is RPE 1 to 10")?;
            Effort::new(EffortScale::Rpe, tenths)
        })
    }

    /// Seconds of a calendar without zones.
    pub(super) fn moment(self, column: &str, parts: Option<[i64; 6]>) -> anyhow::Result<i64> {
        let moment = parts.and_then(|[year, month, day, hour, minute, second]| {
            let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
            let date = Date::from_calendar_date(year.try_into().ok()?, month, day.try_into().ok()?).ok()?;
            let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
            is_time.then(|| ((i64::from(date.to_julian_day()) * 24 + hour) * 60 + minute) * 60 + second)
        });
        moment.with_context(|| self.fault(column, "no time of this format (months in English)"))
    }
}
