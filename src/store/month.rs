//! Months of the journal: a stream lies in the one in which it was minted.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use spotter_protocol::{StreamId, Timestamp};

const MICROS_A_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A month of a year from 1970 to 9999, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i64,
    /// 1 to 12.
    month: i64,
}

impl Month {
    /// The month of a moment.
    pub fn of(moment: Timestamp) -> Self {
        let days = moment.0.div_euclid(MICROS_A_DAY);
        // No year is longer than 366 days: the guess is the year or one before.
        let mut year = 1970 + days.max(0) / 366;
        while days_before(year + 1, 1) <= days {
            year += 1;
        }
        let month = (1..=12).rev().find(|month| days_before(year, *month) <= days);
        Self { year, month: month.unwrap_or(1) }
    }

    /// Its first moment.
    pub const fn begins(self) -> Timestamp {
        Timestamp(days_before(self.year, self.month) * MICROS_A_DAY)
    }

    /// The month after it.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1 },
            month => Self { month: month + 1, ..self },
        }
    }

    /// The month so many before it; none is before 1970.
    #[must_use]
    pub fn back(self, months: u32) -> Self {
        let since_1970 = (self.year - 1970) * 12 + self.month - 1;
        let months = (since_1970 - i64::from(months)).max(0);
        Self { year: 1970 + months / 12, month: months % 12 + 1 }
    }

    /// The streams that were minted in it.
    pub const fn streams(self) -> Range<StreamId> {
        StreamId::least_at(self.begins())..StreamId::least_at(self.next().begins())
    }

    /// As PostgreSQL's parts of the journal are called after it.
    pub(super) fn part(self) -> String {
        format!("journal_{:04}{:02}", self.year, self.month)
    }

    /// The month after which a part of the journal is called.
    pub(super) fn of_part(name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix("journal_")?.split_at_checked(4)?;
        format!("{year}-{month}").parse().ok()
    }
}

/// Days from 1970 to the first of a month.
const fn days_before(year: i64, month: i64) -> i64 {
    // Years that begin in March: the day that a leap year has more is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 - 719_468
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a month is written as 2026-06";
        let (year, month) = text.split_once('-').ok_or(FORM)?;
        let is_number = |text: &str, digits| text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(year, 4) || !is_number(month, 2) {
            return Err(FORM);
        }
        let (year, month) = (year.parse().map_err(|_| FORM)?, month.parse().map_err(|_| FORM)?);
        let is_month = matches!((year, month), (1970..=9999, 1..=12));
        if is_month { Ok(Self { year, month }) } else { Err(FORM) }
    }
}

impl TryFrom<String> for Month {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_in_its_month() {
        let mut month: Month = "1970-01".parse().unwrap();
        assert_eq!(month.begins(), Timestamp(0));
        for day in 0..3_000_000 {
            let moment = Timestamp(day * MICROS_A_DAY);
            if moment == month.next().begins() {
                month = month.next();
            }
            if day % 13 == 0 || moment == month.begins() {
                assert_eq!(Month::of(moment), month, "day {day}");
            }
        }
        // 2026-11-01T00:00:00Z.
        assert_eq!("2026-11".parse::<Month>().unwrap().begins(), Timestamp(1_793_491_200_000_000));
    }

    #[test]
    fn months_are_counted_back_over_years() {
        let month: Month = "2026-03".parse().unwrap();
        for (months, before) in
            [(0, "2026-03"), (2, "2026-01"), (3, "2025-12"), (27, "2023-12"), (900, "1970-01")]
        {
            assert_eq!(month.back(months).to_string(), before);
        }
        assert_eq!(month.back(14).next().back(1), month.back(14));
    }

    #[test]
    fn a_month_is_read_as_it_is_written() {
        for text in ["2026-06", "1970-01", "2024-12", "9999-12"] {
            assert_eq!(text.parse::<Month>().unwrap().to_string(), text);
        }
        for text in ["2026-13", "2026-00", "26-06", "2026-6", "2026", "1969-12", "2026-+6", "journal"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        let month: Month = "2026-06".parse().unwrap();
        assert_eq!(month.part(), "journal_202606");
        assert_eq!(Month::of_part("journal_202606"), Some(month));
        assert_eq!(["journal_kept", "journal_other", "journal"].map(Month::of_part), [None; 3]);
        let last = Timestamp(month.next().begins().0 - 1);
        assert!(month.streams().contains(&StreamId::least_at(last)));
        assert!(!month.streams().contains(&StreamId::least_at(month.next().begins())));
    }
}
