use proptest::collection::vec;
use proptest::prelude::*;
use spotter_protocol::{
    Actual, Complete, InstanceId, Load, LoadKind, Name, Place, Reps, SetId, SetType, Unit,
};
use uuid::Uuid;

use crate::session::fixture::*;

const SET_TYPES: [SetType; 11] = [
    SetType::Warmup,
    SetType::Working,
    SetType::Dropset,
    SetType::Failure,
    SetType::Amrap,
    SetType::Backoff,
    SetType::Myo,
    SetType::Cluster,
    SetType::Partial,
    SetType::Forced,
    SetType::Iso,
];

/// How often a load of the kind is moved; 0 where it says nothing of what is moved.
const LOAD_KINDS: [(LoadKind, u64); 6] = [
    (LoadKind::External, 1),
    (LoadKind::PerHand, 2),
    (LoadKind::Stack, 1),
    (LoadKind::Bodyweight, 0),
    (LoadKind::Assisted, 0),
    (LoadKind::None, 0),
];

fn done(set: u128, load_kind: LoadKind, set_type: SetType, kilograms: u32) -> Complete {
    let place = Place {
        instance: InstanceId(Uuid::from_u128(90)),
        exercise: slug("row"),
        name: Name::clipped("row"),
        load_kind,
        set_type,
    };
    Complete { set: SetId(Uuid::from_u128(set)), actual: kg(kilograms, 5), place: Some(place) }
}

#[test]
fn every_type_of_set_but_the_warm_up_counts_and_every_kind_of_load_weighs_what_is_known_of_it() {
    for set_type in SET_TYPES {
        for (load_kind, hands) in LOAD_KINDS {
            let mut floor = Floor::ad_hoc();
            floor.tell(1, done(9, load_kind, SetType::Working, 40)).unwrap();
            let before = floor.view().volume_g;
            floor.tell(2, done(10, load_kind, set_type, 50)).unwrap();

            let set = floor.set(SetId(Uuid::from_u128(10)));
            let counts = set_type != SetType::Warmup && hands > 0;
            let moved = if counts { 50_000 * 5 * hands } else { 0 };
            let what = (set_type, load_kind);
            assert_eq!((floor.view().volume_g - before, what), (moved, what));
            assert_eq!((set.e1rm_g.is_some(), what), (counts, what));
            assert_eq!((set.prs.is_empty(), what), (!counts, what));
            assert_eq!((set.set_type, floor.exercise(0).load_kind), what);
        }
    }
}

proptest! {
    /// However often a set is corrected, in whichever unit: what was typed last is shown as it was typed, and the volume
    /// is its grams times its repetitions and nothing besides.
    #[test]
    fn no_dust_gathers_on_what_is_typed_in_kilograms_and_pounds(
        typed in vec((0_usize..4, 1_u32..1_000_000, prop::bool::ANY, 1_u32..20), 1..40),
    ) {
        let mut floor = Floor::started();
        let mut last = [None; 4];
        for (minute, (which, thousandths, in_pounds, reps)) in (1..).zip(typed) {
            let load = Load::new(thousandths, if in_pounds { Unit::Lb } else { Unit::Kg }).unwrap();
            let actual = Actual { load: Some(load), reps: Reps::new(reps).ok(), ..Actual::default() };
            let set = [squat(1), squat(2), curl(0), curl(1)][which];
            let command = if last[which].is_none() { complete(set, actual.clone()) } else { amend(set, actual.clone()) };
            if last[which] != Some((load, reps)) {
                floor.tell(minute, command).unwrap();
            }
            last[which] = Some((load, reps));
            prop_assert_eq!(floor.set(set).actual.and_then(|actual| actual.load), Some(load));
        }
        // A curl is done with a weight in each hand.
        let moved = |(load, reps): (Load, u32), hands| u64::from(load.grams().0) * u64::from(reps) * hands;
        let moved = last.into_iter().zip([1, 1, 2, 2]).map(|(done, hands)| done.map_or(0, |done| moved(done, hands)));
        prop_assert_eq!(floor.view().volume_g, moved.sum::<u64>());
    }
}
