//! The plan of a run: what happens when and to whom, from the scenario and its seed alone.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use spotter_protocol::Address;

use crate::scenario::{Mix, Scenario, Stage};

/// Something that is due.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    /// Since the run began.
    pub(crate) at: Duration,
    pub(crate) deed: Deed,
}

/// What, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deed {
    Phone(usize, PhoneOrder),
    Reader(usize, ReaderOrder),
}

/// What an athlete's phone is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PhoneOrder {
    Log(Task),
    /// The signal goes or comes.
    Signal(bool),
    /// The connection breaks.
    Cut,
}

/// What an athlete sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Set,
    Rest,
    Note,
}

/// What a second device or a coach is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ReaderOrder {
    Follow(Address),
    /// The connection breaks.
    Cut,
    /// Wait so long after each frame; not at all from now on.
    Slowly(Option<Duration>),
    /// Read nothing for so long, from the moment it was due.
    Freeze(Duration),
}

/// The plan, in the order of time.
pub(crate) fn plan(scenario: &Scenario) -> Vec<Due> {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(scenario.seed);
    let (phones, readers) = (scenario.athletes() as usize, scenario.readers() as usize);
    let mut plan = Vec::new();
    let mut begin = 0.0;
    for stage in &scenario.stages {
        let end = begin + f64::from(stage.seconds);
        let mut due = |at: f64, deed| plan.push(Due { at: Duration::from_secs_f64(at), deed });
        for phone in some(phones, stage.without_signal, &mut chance) {
            due(begin, Deed::Phone(phone, PhoneOrder::Signal(false)));
            due(end, Deed::Phone(phone, PhoneOrder::Signal(true)));
        }
        let slowly = Duration::from_millis(stage.slow_ms.into());
        for reader in some(readers, stage.slow, &mut chance) {
            due(begin, Deed::Reader(reader, ReaderOrder::Slowly(Some(slowly))));
            due(end, Deed::Reader(reader, ReaderOrder::Slowly(None)));
        }
        for connection in some(phones + readers, stage.cut, &mut chance) {
            due(begin, cut(connection, phones));
        }
        for at in arrivals(stage, stage.per_second.most(), &mut chance) {
            if chance.random::<f64>() * stage.per_second.most()
                < stage.per_second.after(at / f64::from(stage.seconds))
            {
                let phone = chance.random_range(0..phones);
                due(begin + at, Deed::Phone(phone, PhoneOrder::Log(task(&scenario.mix, &mut chance))));
            }
        }
        for at in arrivals(stage, stage.cuts_per_second, &mut chance) {
            due(begin + at, cut(chance.random_range(0..phones + readers), phones));
        }
        begin = end;
    }
    plan.sort_by_key(|due| due.at);
    plan
}

/// What of the plan of all gyms is for the people of some, with the numbers they have among themselves.
pub(crate) fn part(plan: Vec<Due>, scenario: &Scenario, gyms: Range<u16>) -> Vec<Due> {
    let (first, count) = (usize::from(gyms.start), gyms.len());
    let athletes = scenario.gym.athletes as usize;
    let coaches = scenario.gym.coaches as usize;
    let devices = if scenario.gym.second_devices { athletes } else { 0 };
    let all_devices = devices * usize::from(scenario.gyms);
    let among = |number: usize, of_gym: usize| {
        number.checked_sub(first * of_gym).filter(|number| *number < count * of_gym)
    };
    let mine = |deed: Deed| match deed {
        Deed::Phone(phone, order) => Some(Deed::Phone(among(phone, athletes)?, order)),
        // Second devices of all gyms come before the coaches of all gyms.
        Deed::Reader(reader, order) => match reader.checked_sub(all_devices) {
            None => Some(Deed::Reader(among(reader, devices)?, order)),
            Some(coach) => Some(Deed::Reader(count * devices + among(coach, coaches)?, order)),
        },
    };
    plan.into_iter().filter_map(|Due { at, deed }| Some(Due { at, deed: mine(deed)? })).collect()
}

/// Moments of a stage that arrive independently of each other.
fn arrivals(stage: &Stage, per_second: f64, chance: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    let mut moments = Vec::new();
    if per_second == 0.0 {
        return moments;
    }
    let mut at = 0.0;
    loop {
        at -= (1.0 - chance.random::<f64>()).ln() / per_second;
        if at >= f64::from(stage.seconds) {
            return moments;
        }
        moments.push(at);
    }
}

/// A share of `count`, by chance.
pub(crate) fn some(count: usize, share: f64, chance: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    all.shuffle(chance);
    all.truncate((count as f64 * share).round() as usize);
    all
}

const fn cut(connection: usize, phones: usize) -> Deed {
    match connection.checked_sub(phones) {
        None => Deed::Phone(connection, PhoneOrder::Cut),
        Some(reader) => Deed::Reader(reader, ReaderOrder::Cut),
    }
}

fn task(mix: &Mix, chance: &mut Xoshiro256PlusPlus) -> Task {
    match chance.random_range(0..mix.set + mix.rest + mix.note) {
        set if set < mix.set => Task::Set,
        rest if rest < mix.set + mix.rest => Task::Rest,
        _ => Task::Note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::People;

    fn planned(name: &str, seed: u64) -> Vec<Due> {
        plan(&Scenario { seed, ..Scenario::find(name).unwrap() })
    }

    fn logs(plan: &[Due]) -> usize {
        plan.iter().filter(|due| matches!(due.deed, Deed::Phone(_, PhoneOrder::Log(_)))).count()
    }

    #[test]
    fn the_same_seed_makes_the_same_plan_and_another_seed_another() {
        assert_eq!(planned("gym-evening", 1), planned("gym-evening", 1));
        assert_ne!(planned("gym-evening", 1), planned("gym-evening", 2));
    }

    #[test]
    fn operations_arrive_at_the_rate_of_their_stage() {
        // 15 s of 105/s, 30 s of 200/s and 15 s of 105/s make 9,150; four standard deviations are 383.
        let count = logs(&planned("gym-evening", 3));
        assert!((8_767..=9_533).contains(&count), "{count}");
    }

    #[test]
    fn a_storm_cuts_every_connection_once() {
        let scenario = Scenario::find("reconnect-storm").unwrap();
        let is_cut = |due: &&Due| {
            matches!(due.deed, Deed::Phone(_, PhoneOrder::Cut) | Deed::Reader(_, ReaderOrder::Cut))
        };
        let cuts = plan(&scenario).iter().filter(is_cut).count();
        assert_eq!(cuts as u32, 2 * (scenario.athletes() + scenario.readers()));
    }

    #[test]
    fn parts_of_a_plan_are_the_whole_plan_and_name_their_own_people() {
        let scenario = Scenario { gyms: 3, ..Scenario::find("coach-wall-fanout").unwrap() };
        let People { athletes, coaches, .. } = scenario.gym;
        let whole = plan(&scenario);
        // Each reader of the whole, by the gym and the place in it.
        let place = |gyms: usize, first: usize, deed: &Deed| {
            let devices = gyms * athletes as usize;
            match deed {
                Deed::Phone(phone, order) => format!("phone {} {order:?}", first * athletes as usize + phone),
                Deed::Reader(reader, order) if *reader < devices => {
                    format!("device {} {order:?}", first * athletes as usize + reader)
                }
                Deed::Reader(reader, order) => {
                    format!("coach {} {order:?}", first * coaches as usize + reader - devices)
                }
            }
        };
        let named = |plan: &[Due], gyms, first| -> Vec<(Duration, String)> {
            plan.iter().map(|due| (due.at, place(gyms, first, &due.deed))).collect()
        };
        let one = part(whole.clone(), &scenario, 0..1);
        let two = part(whole.clone(), &scenario, 1..3);

        let mut parts = named(&one, 1, 0);
        parts.extend(named(&two, 2, 1));
        parts.sort();
        let mut all = named(&whole, 3, 0);
        all.sort();

        assert!(parts == all, "{} and {} of {}", one.len(), two.len(), whole.len());
        assert!(logs(&one) > 0 && logs(&two) > logs(&one));
    }

    #[test]
    fn whoever_loses_signal_finds_it_again_when_the_stage_ends() {
        let plan = planned("offline-sync-burst", 1);
        let with = |on: bool| {
            plan.iter().filter(
                move |due| matches!(due.deed, Deed::Phone(_, PhoneOrder::Signal(signal)) if signal == on),
            )
        };
        assert_eq!(with(false).count(), 180);
        assert_eq!(with(true).count(), 180);
        assert!(with(true).all(|due| due.at == Duration::from_secs(25)));
    }
}
