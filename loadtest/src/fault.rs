//! What a run breaks on purpose: as a scenario names it, or by chance with `--chaos`.

mod breaker;

use std::time::Duration;

use anyhow::ensure;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;

use crate::scenario::Scenario;
use crate::schedule::some;

pub(crate) use breaker::Breaker;

/// The longest pause, in seconds: after half a minute more, clients would give a silent server up.
const SECONDS_MAX: f64 = 20.0;
/// The longest pause by chance.
const BY_CHANCE_SECONDS_MAX: f64 = 3.0;

/// A fault as a scenario names it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Seconds since the run began.
    at: f64,
    what: What,
    /// Of all connections, or of all readers.
    share: Option<f64>,
    /// How long it lasts.
    seconds: Option<f64>,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum What {
    /// Connections are cut without goodbye.
    #[serde(rename = "cut sockets")]
    CutSockets,
    /// Readers read nothing for a while.
    #[serde(rename = "freeze readers")]
    FreezeReaders,
    /// The process of a node is stopped for a while, and goes on.
    #[serde(rename = "pause server")]
    PauseServer,
    /// The process of a node is killed, and started again.
    #[serde(rename = "kill server")]
    KillServer,
    /// A node is asked to end, and started again.
    #[serde(rename = "restart server")]
    RestartServer,
    /// PostgreSQL is asked to end at once, and started again.
    #[serde(rename = "restart postgres")]
    RestartPostgres,
    /// PostgreSQL ends as if it had crashed, and replays its log.
    #[serde(rename = "crash postgres")]
    CrashPostgres,
    /// Redis is asked to end, and started again; it has forgotten everything.
    #[serde(rename = "restart redis")]
    RestartRedis,
    /// Redis is killed, and started again.
    #[serde(rename = "kill redis")]
    KillRedis,
}

/// What a run can break besides its own sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// It has readers.
    pub(crate) readers: bool,
    /// So many nodes of the server it started.
    pub(crate) nodes: usize,
    /// It started PostgreSQL.
    pub(crate) postgres: bool,
    /// It started Redis.
    pub(crate) redis: bool,
}

/// A fault with everything decided.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// Since the run began.
    pub(crate) at: Duration,
    pub(crate) what: What,
    /// How long it lasts, where it lasts.
    pub(crate) length: Duration,
    /// Which connections: phones, then readers.
    pub(crate) hit: Vec<usize>,
    /// Which of several nodes, from 0.
    pub(crate) node: Option<usize>,
}

impl Planned {
    /// What is broken, and the node by its number where there are several.
    pub(crate) fn name(&self) -> String {
        let number = self.node.map(|node| format!(" {}", node + 1)).unwrap_or_default();
        self.what.name().to_owned() + &number
    }
}

impl What {
    const ALL: [Self; 9] = [
        Self::CutSockets,
        Self::FreezeReaders,
        Self::PauseServer,
        Self::KillServer,
        Self::RestartServer,
        Self::RestartPostgres,
        Self::CrashPostgres,
        Self::RestartRedis,
        Self::KillRedis,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::CutSockets => "cut sockets",
            Self::FreezeReaders => "freeze readers",
            Self::PauseServer => "pause server",
            Self::KillServer => "kill server",
            Self::RestartServer => "restart server",
            Self::RestartPostgres => "restart postgres",
            Self::CrashPostgres => "crash postgres",
            Self::RestartRedis => "restart redis",
            Self::KillRedis => "kill redis",
        }
    }

    const fn hits_connections(self) -> bool {
        matches!(self, Self::CutSockets | Self::FreezeReaders)
    }

    const fn hits_node(self) -> bool {
        matches!(self, Self::PauseServer | Self::KillServer | Self::RestartServer)
    }

    const fn lasts(self) -> bool {
        matches!(self, Self::FreezeReaders | Self::PauseServer)
    }

    /// # Errors
    /// Why it cannot be broken.
    fn ensure_within(self, reach: Reach) -> anyhow::Result<()> {
        match self {
            Self::CutSockets => {}
            Self::FreezeReaders => ensure!(reach.readers, "{}: the scenario has none", self.name()),
            Self::PauseServer | Self::KillServer | Self::RestartServer => {
                ensure!(
                    reach.nodes > 0,
                    "{}: a run breaks only a server that it started itself: --self-contained",
                    self.name()
                );
            }
            Self::RestartPostgres | Self::CrashPostgres => ensure!(
                reach.postgres,
                "{}: a run breaks only a PostgreSQL that it started itself: --self-contained --postgres, without an address",
                self.name()
            ),
            Self::RestartRedis | Self::KillRedis => ensure!(
                reach.redis,
                "{}: a run breaks only a Redis that it started itself: --self-contained --postgres --nodes, or --redis \
                 without an address",
                self.name()
            ),
        }
        Ok(())
    }
}

impl Fault {
    fn length(&self) -> f64 {
        if self.what.lasts() { self.seconds.unwrap_or(2.0) } else { 0.0 }
    }

    /// # Errors
    /// When a run of that many seconds cannot have it.
    pub(crate) fn check(&self, run_seconds: f64) -> anyhow::Result<()> {
        let name = self.what.name();
        ensure!(self.share.is_none() || self.what.hits_connections(), "fault {name}: it has no share");
        ensure!(self.seconds.is_none() || self.what.lasts(), "fault {name}: it has no seconds");
        ensure!(self.share.is_none_or(|share| share > 0.0 && share <= 1.0), "fault {name}: share: up to 1");
        ensure!((0.0..=SECONDS_MAX).contains(&self.length()), "fault {name}: seconds: at most {SECONDS_MAX}");
        ensure!(
            self.at >= 0.0 && self.at + self.length() <= run_seconds,
            "fault {name}: it must begin and end within the run"
        );
        Ok(())
    }
}

/// The faults of a run in the order of time, from the scenario and its seed alone; with `chaos`, one of each kind more. Of
/// several nodes they hit one after another, whichever the first is.
///
/// # Errors
/// When the scenario names one that is out of reach.
pub(crate) fn plan(scenario: &Scenario, reach: Reach, chaos: bool) -> anyhow::Result<Vec<Planned>> {
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(scenario.seed);
    let mut faults = scenario.faults.clone();
    faults.iter().try_for_each(|fault| fault.what.ensure_within(reach))?;
    if chaos {
        faults.extend(by_chance(scenario.length().as_secs_f64(), reach, &mut chance));
    }
    faults.sort_by(|one, other| one.at.total_cmp(&other.at));
    let (phones, readers) = (scenario.athletes() as usize, scenario.readers() as usize);
    let mut hit = |count: usize, share: f64| some(count, share.max(1.0 / count as f64), &mut chance);
    let planned = |fault: Fault| {
        let hit = match fault.what {
            What::CutSockets => hit(phones + readers, fault.share.unwrap_or(1.0)),
            What::FreezeReaders => {
                let hit = hit(readers, fault.share.unwrap_or(0.3));
                hit.into_iter().map(|reader| phones + reader).collect()
            }
            What::PauseServer
            | What::KillServer
            | What::RestartServer
            | What::RestartPostgres
            | What::CrashPostgres
            | What::RestartRedis
            | What::KillRedis => Vec::new(),
        };
        let (at, length) = (Duration::from_secs_f64(fault.at), Duration::from_secs_f64(fault.length()));
        Planned { at, what: fault.what, length, hit, node: None }
    };
    let mut planned: Vec<Planned> = faults.into_iter().map(planned).collect();
    if reach.nodes > 1 {
        let first = chance.random_range(0..reach.nodes);
        let of_nodes = planned.iter_mut().filter(|planned| planned.what.hits_node());
        for (place, fault) in of_nodes.enumerate() {
            fault.node = Some((first + place) % reach.nodes);
        }
    }
    Ok(planned)
}

/// One of each kind within reach, evenly over the run and in an order by chance. None begins with the run or ends it.
fn by_chance(seconds: f64, reach: Reach, chance: &mut Xoshiro256PlusPlus) -> Vec<Fault> {
    let mut kinds = What::ALL.to_vec();
    kinds.retain(|what| what.ensure_within(reach).is_ok());
    kinds.shuffle(chance);
    let apart = seconds / (kinds.len() as f64 + 0.5);
    let fault = |(place, what): (usize, What)| Fault {
        at: apart * (place as f64 + 0.5 + chance.random_range(0.0..0.25)),
        what,
        share: what.hits_connections().then(|| chance.random_range(0.2..0.8)),
        seconds: what.lasts().then_some((apart / 2.0).min(BY_CHANCE_SECONDS_MAX)),
    };
    kinds.into_iter().enumerate().map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Reach = Reach { readers: true, nodes: 3, postgres: true, redis: true };
    const POSTGRES: Reach = Reach { nodes: 1, redis: false, ..ALL };
    const SERVER: Reach = Reach { postgres: false, ..POSTGRES };
    const SOCKETS: Reach = Reach { nodes: 0, ..SERVER };

    fn smoke(seed: u64) -> Scenario {
        Scenario { seed, ..Scenario::find("smoke").unwrap() }
    }

    fn kinds(plan: &[Planned]) -> Vec<What> {
        What::ALL.into_iter().filter(|what| plan.iter().any(|planned| planned.what == *what)).collect()
    }

    #[test]
    fn without_chaos_nothing_breaks_that_the_scenario_does_not_name() {
        assert_eq!(plan(&smoke(1), ALL, false).unwrap(), []);
    }

    #[test]
    fn the_same_seed_breaks_the_same_and_another_seed_another() {
        let planned = |seed| plan(&smoke(seed), ALL, true).unwrap();
        assert_eq!(planned(1), planned(1));
        assert_ne!(planned(1), planned(2));
    }

    #[test]
    fn chaos_breaks_each_kind_within_reach_once_and_in_time() {
        for seed in 0..100 {
            let all = plan(&smoke(seed), ALL, true).unwrap();
            assert_eq!((all.len(), kinds(&all)), (9, What::ALL.to_vec()));
            for (one, next) in all.iter().zip(all.iter().skip(1)) {
                assert!(one.at + one.length < next.at, "one after another");
            }
            assert!(all[8].at + all[8].length < smoke(seed).length());
        }
        assert_eq!(kinds(&plan(&smoke(1), POSTGRES, true).unwrap()), What::ALL[..7]);
        assert_eq!(kinds(&plan(&smoke(1), SERVER, true).unwrap()), What::ALL[..5]);
        assert_eq!(kinds(&plan(&smoke(1), SOCKETS, true).unwrap()), What::ALL[..2]);
    }

    #[test]
    fn nodes_are_hit_one_after_another_and_the_seed_says_who_is_first() {
        let nodes = |seed, nodes| -> Vec<_> {
            let rolling = Scenario { seed, ..Scenario::find("rolling-restart").unwrap() };
            let plan = plan(&rolling, Reach { nodes, ..ALL }, false).unwrap();
            plan.iter().map(|planned| planned.node).collect()
        };
        let orders: std::collections::BTreeSet<_> = (0..100).map(|seed| nodes(seed, 3)).collect();
        let from = |first: usize| (first..first + 5).map(|node| Some(node % 3)).collect::<Vec<_>>();
        assert_eq!(orders.into_iter().collect::<Vec<_>>(), [from(0), from(1), from(2)]);
        assert_eq!(nodes(1, 1), [None; 5], "the only one has no number");
    }

    #[test]
    fn a_fault_of_one_of_several_nodes_says_which() {
        let plan = plan(&smoke(1), ALL, true).unwrap();
        let name = |what| plan.iter().find(|planned| planned.what == what).unwrap().name();
        assert!(
            ["kill server 1", "kill server 2", "kill server 3"].contains(&name(What::KillServer).as_str())
        );
        assert_eq!(name(What::KillRedis), "kill redis");
    }

    #[test]
    fn a_fault_of_connections_hits_its_share_of_them() {
        let fault = |what, share| Fault { at: 1.0, what, share: Some(share), seconds: None };
        let faults = [(What::CutSockets, 0.5), (What::FreezeReaders, 1.0), (What::CutSockets, 0.001)];
        let faults = faults.map(|(what, share)| fault(what, share)).to_vec();
        let scenario = Scenario { faults, ..smoke(1) };
        let (phones, all) =
            (scenario.athletes() as usize, (scenario.athletes() + scenario.readers()) as usize);

        let plan = plan(&scenario, SOCKETS, false).unwrap();

        assert_eq!(plan[0].hit.len(), all / 2);
        let mut readers = plan[1].hit.clone();
        readers.sort_unstable();
        assert_eq!(readers, (phones..all).collect::<Vec<_>>());
        assert_eq!(plan[2].hit.len(), 1, "at least one");
    }

    #[test]
    fn a_fault_out_of_reach_is_refused_with_the_way_to_reach_it() {
        let refused = |what, reach| {
            let faults = vec![Fault { at: 1.0, what, share: None, seconds: None }];
            plan(&Scenario { faults, ..smoke(1) }, reach, false).unwrap_err().to_string()
        };
        assert!(refused(What::KillServer, SOCKETS).ends_with("--self-contained"));
        assert!(refused(What::CrashPostgres, SERVER).contains("--postgres, without an address"));
        assert!(refused(What::KillRedis, POSTGRES).contains("--redis without an address"));
        assert!(refused(What::FreezeReaders, Reach { readers: false, ..ALL }).contains("has none"));
    }

    #[test]
    fn a_fault_that_makes_no_sense_is_refused() {
        let check = |text: &str| toml::from_str::<Fault>(text).unwrap().check(10.0);
        assert!(check("at = 1\nwhat = \"pause server\"\nseconds = 2.5").is_ok());
        assert!(check("at = 9\nwhat = \"pause server\"\nseconds = 2").is_err(), "it ends after the run");
        assert!(check("at = 1\nwhat = \"kill server\"\nseconds = 2").is_err(), "a kill does not last");
        assert!(check("at = 1\nwhat = \"kill server\"\nshare = 0.5").is_err(), "half a kill");
        assert!(check("at = 1\nwhat = \"cut sockets\"\nshare = 1.5").is_err());
        assert!(toml::from_str::<Fault>("at = 1\nwhat = \"kill bill\"").is_err());
    }
}
