//! Numbers that came, as the highest and the gaps below it.

use std::collections::BTreeMap;

/// Some numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    low: Option<u64>,
    high: u64,
    /// Numbers between the lowest and the highest that are not here, as ranges: first to last.
    gaps: BTreeMap<u64, u64>,
}

/// How a number came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Right after the highest, or as the first.
    Next,
    /// Above it, leaving a gap.
    Ahead,
    /// Into a gap, or below the lowest.
    Late,
    /// It had come before.
    Again,
}

impl Marks {
    /// All from 1 to `high`.
    pub(super) fn through(high: u64) -> Self {
        Self { low: (high > 0).then_some(1), high, gaps: BTreeMap::new() }
    }

    pub(super) fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut marks = Self::default();
        numbers.into_iter().for_each(|number| {
            marks.note(number);
        });
        marks
    }

    pub(super) fn note(&mut self, number: u64) -> Mark {
        let Some(low) = self.low else {
            (self.low, self.high) = (Some(number), number);
            return Mark::Next;
        };
        if number == self.high + 1 {
            self.high = number;
            return Mark::Next;
        }
        if number > self.high {
            self.gaps.insert(self.high + 1, number - 1);
            self.high = number;
            return Mark::Ahead;
        }
        if number < low {
            if number + 1 < low {
                self.gaps.insert(number + 1, low - 1);
            }
            self.low = Some(number);
            return Mark::Late;
        }
        let Some((first, last)) = self.gap(number) else { return Mark::Again };
        self.gaps.remove(&first);
        if first < number {
            self.gaps.insert(first, number - 1);
        }
        if number < last {
            self.gaps.insert(number + 1, last);
        }
        Mark::Late
    }

    fn gap(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.gaps.range(..=number).next_back()?;
        (*last >= number).then_some((*first, *last))
    }

    /// The lowest; none when there is no number.
    pub(super) const fn low(&self) -> Option<u64> {
        self.low
    }

    /// The highest; 0 when there is no number.
    pub(super) const fn high(&self) -> u64 {
        self.high
    }

    pub(super) fn count(&self) -> u64 {
        let Some(low) = self.low else { return 0 };
        self.high - low + 1 - self.gaps.iter().map(|(first, last)| last - first + 1).sum::<u64>()
    }

    /// How many of these are not among the others.
    pub(super) fn without(&self, others: &Self) -> u64 {
        let (Some(low), Some(others_low)) = (self.low, others.low) else { return self.count() };
        let below = self.within(low, self.high.min(others_low.saturating_sub(1)));
        let above = self.within(low.max(others.high + 1), self.high);
        let between = others.gaps.iter().map(|(first, last)| self.within(*first, *last));
        below + above + between.sum::<u64>()
    }

    /// How many of these lie from `first` to `last`.
    fn within(&self, first: u64, last: u64) -> u64 {
        let Some(low) = self.low else { return 0 };
        let (first, last) = (first.max(low), last.min(self.high));
        if first > last {
            return 0;
        }
        let absent = self.gaps.range(..=last).map(|(from, to)| {
            let (from, to) = (*from.max(&first), *to.min(&last));
            if from <= to { to - from + 1 } else { 0 }
        });
        last - first + 1 - absent.sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_million_in_order_leave_one_mark() {
        let marks = Marks::of(1..=1_000_000);
        assert_eq!(marks, Marks::through(1_000_000));
    }

    #[test]
    fn each_number_comes_next_ahead_late_or_again() {
        let mut marks = Marks::default();
        let came = [5, 6, 9, 8, 8, 7, 3, 6, 4].map(|number| marks.note(number));
        use Mark::{Again, Ahead, Late, Next};
        assert_eq!(came, [Next, Next, Ahead, Late, Again, Late, Late, Again, Late]);
        assert_eq!(marks, Marks { low: Some(3), high: 9, gaps: BTreeMap::new() });
    }

    #[test]
    fn what_is_missing_is_counted_as_sets_of_numbers_count_it() {
        // Every pair of sets of numbers from 1 to 6, the one fed upwards and the other downwards.
        let members = |bits: u64| (1..=6).filter(move |number| bits & (1 << number) != 0);
        for (one, other) in (0..128_u64).flat_map(|one| (0..128_u64).map(move |other| (one, other))) {
            let (mine, theirs): (BTreeSet<u64>, BTreeSet<u64>) =
                (members(one).collect(), members(other).collect());
            let marks = Marks::of(mine.iter().copied());
            let others = Marks::of(theirs.iter().rev().copied());
            assert_eq!(
                marks.without(&others),
                mine.difference(&theirs).count() as u64,
                "{mine:?} {theirs:?}"
            );
            assert_eq!(marks.count(), mine.len() as u64);
        }
    }
}
