//! Who is out while a plan is followed: away, without signal, or reading slowly. The plan brings everybody back by its end;
//! who follows it no further has to do so instead.

use std::collections::BTreeSet;

use crate::schedule::{Deed, PhoneOrder, ReaderOrder};

/// Who is out.
#[derive(Debug, Default)]
pub(crate) struct Out(BTreeSet<Way>);

/// In which way, and whose phone or reader it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    NoSignal(usize),
    PhoneAway(usize),
    ReaderAway(usize),
    ReaderSlow(usize),
}

impl Out {
    /// A deed of the plan is done.
    pub(crate) fn note(&mut self, deed: &Deed) {
        let (way, goes) = match deed {
            Deed::Phone(phone, PhoneOrder::Signal(comes)) => (Way::NoSignal(*phone), !comes),
            Deed::Phone(phone, PhoneOrder::Here(comes)) => (Way::PhoneAway(*phone), !comes),
            Deed::Reader(reader, ReaderOrder::Here(comes)) => (Way::ReaderAway(*reader), !comes),
            Deed::Reader(reader, ReaderOrder::Slowly(wait)) => (Way::ReaderSlow(*reader), wait.is_some()),
            Deed::Phone(_, PhoneOrder::Log(_) | PhoneOrder::Play(_) | PhoneOrder::Cut)
            | Deed::Reader(
                _,
                ReaderOrder::Follow(_) | ReaderOrder::Cut | ReaderOrder::Coach(_) | ReaderOrder::Freeze(_),
            ) => return,
        };
        if goes {
            self.0.insert(way)
        } else {
            self.0.remove(&way)
        };
    }

    /// What brings everybody back.
    pub(crate) fn back(self) -> impl Iterator<Item = Deed> {
        self.0.into_iter().map(|way| match way {
            Way::NoSignal(phone) => Deed::Phone(phone, PhoneOrder::Signal(true)),
            Way::PhoneAway(phone) => Deed::Phone(phone, PhoneOrder::Here(true)),
            Way::ReaderAway(reader) => Deed::Reader(reader, ReaderOrder::Here(true)),
            Way::ReaderSlow(reader) => Deed::Reader(reader, ReaderOrder::Slowly(None)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::schedule::plan;

    /// Who has to be brought back when a scenario ends after so many seconds.
    fn out(scenario: &str, seconds: u64) -> Vec<Deed> {
        let mut out = Out::default();
        let plan = plan(&Scenario::find(scenario).unwrap());
        plan.iter().filter(|due| due.at.as_secs() < seconds).for_each(|due| out.note(&due.deed));
        out.back().collect()
    }

    #[test]
    fn whom_the_plan_has_not_brought_back_yet_is_out() {
        // Nine of ten of two hundred athletes lose signal.
        let back = out("offline-sync-burst", 15);
        assert_eq!(back.len(), 180);
        assert!(back.iter().all(|deed| matches!(deed, Deed::Phone(_, PhoneOrder::Signal(true)))));
        // An athlete goes with both devices.
        let back = out("gym-evening", 30);
        let is_here = |deed: &&Deed| matches!(deed, Deed::Phone(_, PhoneOrder::Here(true)));
        assert!(back.iter().filter(is_here).count() > 0, "{back:?}");
    }

    #[test]
    fn a_plan_that_was_followed_to_its_end_leaves_nobody_out() {
        for scenario in ["gym-evening", "slow-readers", "offline-sync-burst"] {
            assert_eq!(out(scenario, u64::MAX), [], "{scenario}");
        }
    }
}
