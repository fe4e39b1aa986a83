//! The plan of a run: what happens when and to whom, from the scenario and its seed alone.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use spotter_protocol::{Actual, Address, ExerciseId, Millis, Name, SetType, Title};

use crate::arrivals::{after_rests, arrivals, at_rate};
use crate::away::{Absence, Away};
use crate::scenario::Scenario;

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
    Play(Act),
    /// The signal goes or comes.
    Signal(bool),
    /// The connection breaks.
    Cut,
    /// Its owner comes or goes.
    Here(bool),
}

/// What an athlete sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Set,
    Rest,
    Note,
    /// To this coach of the gym.
    Message(usize),
    Finish,
}

/// What a coach does, and to which athlete of the gym.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoachTask {
    Cue(usize),
    Message(usize),
    History(usize),
    People,
}

/// What an athlete does in a workout of a log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// A session of that title begins.
    Begin(Title),
    /// An exercise is planned, a set of each type.
    Exercise {
        exercise: ExerciseId,
        name: Name,
        sets: Vec<SetType>,
    },
    /// The next planned set is done.
    Set(Actual),
    Rest(Millis),
    /// The session ends.
    Finish,
}

/// What a second device or a coach is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ReaderOrder {
    Follow(Address),
    /// The connection breaks.
    Cut,
    /// Wait so long after each frame; not at all from now on.
    Slowly(Option<Duration>),
    /// Its owner comes or goes.
    Here(bool),
    Coach(CoachTask),
    /// Read nothing for so long, from the moment it was due.
    Freeze(Duration),
}

/// The plan, in the order of time.
pub(crate) fn plan(scenario: &Scenario) -> Vec<Due> {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(scenario.seed);
    let (phones, readers) = (scenario.athletes() as usize, scenario.readers() as usize);
    let coaches = scenario.coaches() as usize;
    let devices = readers - coaches;
    let away = Away::plan(scenario, phones + coaches, &mut chance);
    let mut plan = Vec::new();
    for Absence { person, from, to } in away.absences() {
        for (at, here) in [(from, false), (to, true)] {
            let mut due = |deed| plan.push(Due { at: Duration::from_secs_f64(at), deed });
            // An athlete goes with both devices.
            if person < phones {
                due(Deed::Phone(person, PhoneOrder::Here(here)));
            }
            if person < devices || person >= phones {
                let reader = person.checked_sub(phones).map_or(person, |coach| devices + coach);
                due(Deed::Reader(reader, ReaderOrder::Here(here)));
            }
        }
    }
    let mut begin = 0.0;
    for stage in &scenario.stages {
        let length = f64::from(stage.seconds);
        let end = begin + length;
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
        let mut log = |phone, at: f64, chance: &mut Xoshiro256PlusPlus| {
            due(begin + at, Deed::Phone(phone, PhoneOrder::Log(task(scenario, chance))));
        };
        for at in at_rate(stage.per_second, length, &mut chance) {
            if let Some(phone) = away.pick(0..phones, begin + at, &mut chance) {
                log(phone, at, &mut chance);
            }
        }
        if let Some(rests) = stage.rests {
            for phone in some(phones, rests.athletes, &mut chance) {
                for at in after_rests(rests, length, &mut chance) {
                    if !away.is_away(phone, begin + at) {
                        log(phone, at, &mut chance);
                    }
                }
            }
        }
        for at in at_rate(stage.coach_per_second, length, &mut chance) {
            if let Some(coach) = away.pick(phones..phones + coaches, begin + at, &mut chance) {
                let task = coach_task(scenario, &mut chance);
                due(begin + at, Deed::Reader(devices + coach - phones, ReaderOrder::Coach(task)));
            }
        }
        for at in arrivals(length, stage.cuts_per_second, &mut chance) {
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

/// What an athlete does next.
fn task(scenario: &Scenario, chance: &mut Xoshiro256PlusPlus) -> Task {
    let mix = &scenario.mix;
    match weighed(&[mix.set, mix.rest, mix.note, mix.message, mix.finish], chance) {
        0 => Task::Set,
        1 => Task::Rest,
        2 => Task::Note,
        3 => Task::Message(chance.random_range(0..scenario.gym.coaches as usize)),
        _ => Task::Finish,
    }
}

/// What a coach does next.
fn coach_task(scenario: &Scenario, chance: &mut Xoshiro256PlusPlus) -> CoachTask {
    let (mix, people) = (scenario.coach, scenario.gym);
    match weighed(&[mix.cue, mix.message, mix.history, mix.people], chance) {
        0 => CoachTask::Cue(chance.random_range(0..people.coach_follows as usize)),
        1 => CoachTask::Message(chance.random_range(0..people.athletes as usize)),
        2 => CoachTask::History(chance.random_range(0..people.athletes as usize)),
        _ => CoachTask::People,
    }
}

/// A place, by weight.
fn weighed(weights: &[u32], chance: &mut Xoshiro256PlusPlus) -> usize {
    let mut left = chance.random_range(0..weights.iter().sum());
    let found = weights.iter().position(|weight| {
        let is_it = left < *weight;
        left = left.saturating_sub(*weight);
        is_it
    });
    found.unwrap_or_default()
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
        // 15 s of 105/s, 30 s of 100/s and of 200 athletes who rest for 2 s, 15 s of 105/s make 9,150, of which some are
        // not done by those who are away; four standard deviations are 383.
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
        // Coaches who act, athletes with rests, and people who leave.
        let scenario = Scenario { gyms: 3, ..Scenario::find("gym-evening").unwrap() };
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

    #[test]
    fn coaches_do_what_they_do_at_their_own_rate_and_by_its_weight() {
        let plan = planned("coach-wall-fanout", 1);
        let done = |is_it: fn(CoachTask) -> bool| {
            let is_it =
                |due: &&Due| matches!(due.deed, Deed::Reader(_, ReaderOrder::Coach(task)) if is_it(task));
            plan.iter().filter(is_it).count()
        };
        let cues = done(|task| matches!(task, CoachTask::Cue(_)));
        let messages = done(|task| matches!(task, CoachTask::Message(_)));
        // 30 s of 10/s, six in ten of them cues and two messages; four standard deviations are 54 and 31.
        assert!((126..=234).contains(&cues) && (29..=91).contains(&messages), "{cues} {messages}");
    }

    #[test]
    fn whoever_goes_comes_back_and_does_nothing_meanwhile() {
        let plan = planned("gym-evening", 1);
        let mut away = std::collections::BTreeMap::new();
        for Due { deed, at } in &plan {
            match deed {
                Deed::Phone(phone, PhoneOrder::Here(here)) => {
                    assert_eq!(away.insert(*phone, !here).unwrap_or(false), *here, "{phone} at {at:?}");
                }
                Deed::Phone(phone, PhoneOrder::Log(_)) => assert_ne!(away.get(phone), Some(&true)),
                Deed::Phone(..) | Deed::Reader(..) => {}
            }
        }
        assert!(!away.is_empty() && away.values().all(|away| !away));
    }
}
