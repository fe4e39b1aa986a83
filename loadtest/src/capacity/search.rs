//! Which rate to try next: doubled until one is too much, then halfway between the largest that was met and the
//! smallest that was not. Rates are whole operations a second.

/// A search for the largest rate that is met.
#[derive(Debug)]
pub(super) struct Search {
    first: u32,
    /// No rate above it is tried.
    most: u32,
    /// How near the answer has to be to the smallest rate that was not met, as a share of it.
    precision: f64,
    met: Option<u32>,
    missed: Option<u32>,
}

impl Search {
    pub(super) fn new(first: u32, most: u32, precision: f64) -> Self {
        Self { first: first.clamp(1, most), most, precision, met: None, missed: None }
    }

    /// The rate to try; none when the answer is near enough, or out of bounds.
    pub(super) fn next(&self) -> Option<u32> {
        match (self.met, self.missed) {
            (None, None) => Some(self.first),
            (Some(met), None) => (met < self.most).then(|| met.saturating_mul(2).min(self.most)),
            (None, Some(missed)) => (missed > 1).then_some(missed / 2),
            (Some(met), Some(missed)) => {
                let near = (f64::from(met) * self.precision).max(1.0);
                (f64::from(missed - met) > near).then_some(met + (missed - met) / 2)
            }
        }
    }

    /// Notes what came of a rate that was tried.
    pub(super) const fn note(&mut self, rate: u32, is_met: bool) {
        if is_met { self.met = Some(rate) } else { self.missed = Some(rate) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates that are tried on a server that carries `carries`, and the answer.
    fn searched(mut search: Search, carries: u32) -> (Vec<u32>, Option<u32>) {
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.note(rate, rate <= carries);
        }
        (tried, search.met)
    }

    #[test]
    fn a_rate_is_doubled_until_it_is_too_much_and_then_halved_towards_the_answer() {
        let (tried, answer) = searched(Search::new(100, 20_000, 0.1), 530);
        assert_eq!(tried, [100, 200, 400, 800, 600, 500, 550]);
        assert_eq!(answer, Some(500));
    }

    #[test]
    fn the_answer_is_as_near_as_was_asked_wherever_the_search_begins() {
        for carries in [1, 7, 93, 1_000, 12_345] {
            for first in [1, 50, 20_000] {
                let (tried, answer) = searched(Search::new(first, 20_000, 0.05), carries);
                let answer = answer.unwrap();
                let near = (f64::from(answer) * 0.05).max(1.0);
                assert!(answer <= carries && f64::from(carries - answer) < near, "{carries}: {tried:?}");
                assert!(tried.len() <= 20, "{tried:?}");
            }
        }
    }

    #[test]
    fn a_server_that_carries_more_than_may_be_tried_ends_the_search_there() {
        assert_eq!(searched(Search::new(300, 1_000, 0.1), 9_999), (vec![300, 600, 1_000], Some(1_000)));
    }

    #[test]
    fn a_server_that_carries_nothing_ends_the_search_at_one_a_second() {
        assert_eq!(searched(Search::new(8, 1_000, 0.1), 0), (vec![8, 4, 2, 1], None));
    }
}
