//! What a run does: people, and stages one after another. A TOML file, or a scenario that comes with the harness.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::fault::Fault;
pub(crate) use crate::rate::Rate;
use crate::results;
use crate::threshold::Threshold;

/// Those that come with the harness, by name.
const PRESETS: &[(&str, &str)] = &[
    ("smoke", include_str!("../scenarios/smoke.toml")),
    ("gym-evening", include_str!("../scenarios/gym-evening.toml")),
    ("coach-wall-fanout", include_str!("../scenarios/coach-wall-fanout.toml")),
    ("reconnect-storm", include_str!("../scenarios/reconnect-storm.toml")),
    ("slow-readers", include_str!("../scenarios/slow-readers.toml")),
    ("offline-sync-burst", include_str!("../scenarios/offline-sync-burst.toml")),
    ("idle", include_str!("../scenarios/idle.toml")),
    ("rolling-restart", include_str!("../scenarios/rolling-restart.toml")),
];

/// The longest run, in seconds.
const SECONDS_MAX: u32 = 3_600;
/// The most operations a second.
const RATE_MAX: f64 = 20_000.0;
/// The most operations of a run: its plan is in memory.
const OPERATIONS_MAX: f64 = 5_000_000.0;
/// The most athletes of a gym.
const ATHLETES_MAX: u32 = 5_000;
/// The most gyms.
pub(crate) const GYMS_MAX: u16 = 16;
/// The most sessions one coach follows: a server lets a connection follow 512 entities, and sessions are replaced.
const FOLLOWED_MAX: u32 = 200;

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// What it is for, in a sentence.
    pub(crate) about: String,
    /// The same seed makes the same plan.
    #[serde(default = "one")]
    pub(crate) seed: u64,
    /// At least two: nothing may pass from one to another.
    pub(crate) gyms: u16,
    /// The people of each gym.
    pub(crate) gym: People,
    #[serde(default)]
    pub(crate) mix: Mix,
    #[serde(default)]
    pub(crate) coach: CoachMix,
    pub(crate) stages: Vec<Stage>,
    /// What is broken on purpose.
    #[serde(default)]
    pub(crate) faults: Vec<Fault>,
    /// How late the generator itself may be, as a 99th percentile: above it, delays say nothing about the server.
    #[serde(default = "ten")]
    pub(crate) lag_max_ms: u32,
    /// The share of its seconds in which the generator may have had no processor left.
    #[serde(default = "a_tenth")]
    pub(crate) starved_max: f64,
    #[serde(default)]
    pub(crate) thresholds: Vec<Threshold>,
    /// As it was read.
    #[serde(skip)]
    pub(crate) text: String,
}

/// Who is in a gym.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct People {
    pub(crate) athletes: u32,
    /// Each follows the room of all athletes.
    pub(crate) coaches: u32,
    /// Sessions that each coach follows besides: of the first athletes.
    #[serde(default)]
    pub(crate) coach_follows: u32,
    /// Whether a second device of each athlete follows what the first one logs.
    #[serde(default = "yes")]
    pub(crate) second_devices: bool,
}

/// What athletes send, by weight.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Mix {
    pub(crate) set: u32,
    pub(crate) rest: u32,
    pub(crate) note: u32,
    /// Length of a note.
    pub(crate) note_bytes: usize,
    /// A message to a coach of the gym.
    pub(crate) message: u32,
    /// Ends the session and begins another.
    pub(crate) finish: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self { set: 1, rest: 0, note: 0, note_bytes: 80, message: 0, finish: 0 }
    }
}

/// What coaches do, by weight.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CoachMix {
    /// A cue to an athlete whose session they follow.
    pub(crate) cue: u32,
    /// A message to an athlete of the gym.
    pub(crate) message: u32,
    /// Reads, over HTTP, what they and an athlete wrote.
    pub(crate) history: u32,
    /// Reads, over HTTP, who is in the gym.
    pub(crate) people: u32,
}

impl CoachMix {
    const fn all(self) -> u32 {
        self.cue.saturating_add(self.message).saturating_add(self.history).saturating_add(self.people)
    }
}

/// A part of the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stage {
    pub(crate) name: String,
    pub(crate) seconds: u32,
    /// Operations that arrive, of all athletes together.
    #[serde(default)]
    pub(crate) per_second: Rate,
    /// Operations that arrive, of all coaches together.
    #[serde(default)]
    pub(crate) coach_per_second: Rate,
    /// Athletes who work at their own pace, besides.
    #[serde(default)]
    pub(crate) rests: Option<Rests>,
    /// People who go, with all their connections, and come back.
    #[serde(default)]
    pub(crate) leaves_per_second: f64,
    /// How long they stay away on the average, in seconds.
    #[serde(default = "ten_seconds")]
    pub(crate) away_s: f64,
    /// Connections that are cut without goodbye and come back.
    #[serde(default)]
    pub(crate) cuts_per_second: f64,
    /// The share of all connections that is cut when the stage begins, at once.
    #[serde(default)]
    pub(crate) cut: f64,
    /// The share of athletes that have no signal during the stage, and go on logging.
    #[serde(default)]
    pub(crate) without_signal: f64,
    /// The share of readers that read slowly during the stage.
    #[serde(default)]
    pub(crate) slow: f64,
    /// How long a slow reader waits after each frame, in milliseconds.
    #[serde(default = "half_a_second")]
    pub(crate) slow_ms: u32,
}

/// How long athletes rest from one operation to the next, whether that was answered or not: a lognormal time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rests {
    pub(crate) mean_s: f64,
    /// The standard deviation; without one all rests are of the same length.
    #[serde(default)]
    pub(crate) spread_s: f64,
    /// The share of athletes who work so.
    #[serde(default = "all")]
    pub(crate) athletes: f64,
}

const fn one() -> u64 {
    1
}

const fn yes() -> bool {
    true
}

const fn ten() -> u32 {
    10
}

const fn a_tenth() -> f64 {
    0.1
}

const fn half_a_second() -> u32 {
    500
}

const fn ten_seconds() -> f64 {
    10.0
}

const fn all() -> f64 {
    1.0
}

impl Scenario {
    /// The one that comes with the harness under that name, or the one in that file.
    ///
    /// # Errors
    /// When there is neither, or when it asks for what no run does.
    pub(crate) fn find(name: &str) -> anyhow::Result<Self> {
        let preset = PRESETS.iter().find(|(preset, _)| *preset == name);
        let text = match preset {
            Some((_, text)) => (*text).to_owned(),
            None => std::fs::read_to_string(name).with_context(|| {
                let names: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
                format!("{name} is neither a file nor one of {}", names.join(", "))
            })?,
        };
        Self::read(text).with_context(|| format!("in scenario {name}"))
    }

    /// A scenario in TOML.
    ///
    /// # Errors
    /// When it cannot be read, or asks for what no run does.
    pub(crate) fn read(text: String) -> anyhow::Result<Self> {
        let mut scenario: Self = toml::from_str(&text)?;
        scenario.check()?;
        scenario.text = text;
        Ok(scenario)
    }

    fn check(&self) -> anyhow::Result<()> {
        let People { athletes, coach_follows, .. } = self.gym;
        ensure!((2..=GYMS_MAX).contains(&self.gyms), "gyms: 2 to {GYMS_MAX}");
        ensure!((1..=ATHLETES_MAX).contains(&athletes), "gym.athletes: 1 to {ATHLETES_MAX}");
        ensure!(self.gym.coaches <= athletes, "gym.coaches: at most as many as athletes");
        ensure!(
            coach_follows <= athletes.min(FOLLOWED_MAX),
            "gym.coach_follows: at most {FOLLOWED_MAX}, and athletes"
        );
        ensure!(self.mix.set > 0, "mix.set: more than 0");
        ensure!((1..=1_000).contains(&self.mix.note_bytes), "mix.note_bytes: 1 to 1000");
        ensure!(self.mix.message == 0 || self.gym.coaches > 0, "mix.message: there is no coach to write to");
        ensure!(
            self.coach.cue == 0 || coach_follows > 0,
            "coach.cue: coaches follow no session (gym.coach_follows)"
        );
        ensure!((0.0..=1.0).contains(&self.starved_max), "starved_max: 0 to 1");
        ensure!(!self.stages.is_empty(), "stages: at least one");
        let seconds = self.stages.iter().fold(0_u32, |sum, stage| sum.saturating_add(stage.seconds));
        ensure!((1..=SECONDS_MAX).contains(&seconds), "stages: 1 to {SECONDS_MAX} seconds together");
        let operations = self.stages.iter().map(|stage| self.most(stage) * f64::from(stage.seconds));
        ensure!(
            operations.sum::<f64>() <= OPERATIONS_MAX,
            "stages: at most {OPERATIONS_MAX} operations together"
        );
        for stage in &self.stages {
            let name = &stage.name;
            ensure!(stage.seconds > 0, "stage {name}: seconds: more than 0");
            let others = [stage.cuts_per_second, stage.leaves_per_second, self.most(stage)];
            ensure!(
                stage.per_second.is_sound()
                    && stage.coach_per_second.is_sound()
                    && others.iter().all(|rate| (0.0..=RATE_MAX).contains(rate)),
                "stage {name}: rates: 0 to {RATE_MAX}, together"
            );
            ensure!(
                stage.coach_per_second.most() == 0.0 || (self.gym.coaches > 0 && self.coach.all() > 0),
                "stage {name}: coach_per_second: there are no coaches (gym.coaches), or they do nothing (coach)"
            );
            ensure!((0.1..=3_600.0).contains(&stage.away_s), "stage {name}: away_s: 0.1 to 3600");
            if let Some(Rests { mean_s, spread_s, .. }) = stage.rests {
                ensure!((0.1..=3_600.0).contains(&mean_s), "stage {name}: rests.mean_s: 0.1 to 3600");
                ensure!((0.0..=3_600.0).contains(&spread_s), "stage {name}: rests.spread_s: 0 to 3600");
            }
            let resting = stage.rests.map_or(0.0, |rests| rests.athletes);
            let shares = [stage.cut, stage.without_signal, stage.slow, resting];
            ensure!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "stage {name}: shares: 0 to 1");
            ensure!((1..=10_000).contains(&stage.slow_ms), "stage {name}: slow_ms: 1 to 10000");
        }
        self.faults.iter().try_for_each(|fault| fault.check(f64::from(seconds)))
    }

    /// Lets the machine be as slow as it is: neither delays and errors are judged, nor the generator. How much has to be done
    /// stays, for a run in which nothing happens shows nothing.
    pub(crate) fn judge_correctness_alone(&mut self) {
        self.thresholds.retain(Threshold::is_count);
        (self.lag_max_ms, self.starved_max) = (u32::MAX, 1.0);
    }

    /// The most operations a second of a stage, whoever does them.
    fn most(&self, stage: &Stage) -> f64 {
        stage.per_second.most() + stage.coach_per_second.most() + self.after_rests(stage)
    }

    /// Operations a second of a stage that athletes do after rests.
    pub(crate) fn after_rests(&self, stage: &Stage) -> f64 {
        stage.rests.map_or(0.0, |rests| f64::from(self.athletes()) * rests.athletes / rests.mean_s)
    }

    /// Whether anybody writes messages.
    pub(crate) const fn has_messages(&self) -> bool {
        self.mix.message > 0 || self.coach.message > 0
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.stages.iter().map(|stage| u64::from(stage.seconds)).sum())
    }

    /// The stages, by the seconds of the run.
    pub(crate) fn laid_out(&self) -> Vec<results::Stage> {
        let mut from = 0.0;
        let stage = |stage: &Stage| {
            let to = from + f64::from(stage.seconds);
            let stage = results::Stage { name: stage.name.clone(), from, to };
            from = to;
            stage
        };
        self.stages.iter().map(stage).collect()
    }

    /// Athletes of all gyms.
    pub(crate) fn athletes(&self) -> u32 {
        self.gym.athletes * u32::from(self.gyms)
    }

    /// Coaches of all gyms.
    pub(crate) fn coaches(&self) -> u32 {
        self.gym.coaches * u32::from(self.gyms)
    }

    /// Connections that read what others write: second devices of all athletes, then coaches.
    pub(crate) fn readers(&self) -> u32 {
        let devices = if self.gym.second_devices { self.gym.athletes } else { 0 };
        (devices + self.gym.coaches) * u32::from(self.gyms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_that_comes_along_can_be_read_and_bears_its_name() {
        for (name, _) in PRESETS {
            assert_eq!(&Scenario::find(name).unwrap().name, name);
        }
    }

    #[test]
    fn a_scenario_of_one_gym_cannot_show_a_leak_and_is_refused() {
        let (_, smoke) = PRESETS[0];
        let error = Scenario::read(smoke.replace("gyms = 2", "gyms = 1")).unwrap_err();
        assert_eq!(error.to_string(), "gyms: 2 to 16");
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let (_, smoke) = PRESETS[0];
        assert!(Scenario::read(smoke.replace("gyms = 2", "gyms = 2\nsede = 7")).is_err());
    }

    #[test]
    fn what_nobody_is_there_for_is_refused() {
        let (_, smoke) = PRESETS[0];
        let refused = |scenario: String| Scenario::read(scenario).unwrap_err().to_string();
        let no_coach = smoke.replace("coaches = 1", "coaches = 0").replace("coach_follows = 5", "");
        assert!(refused(no_coach.replace("[mix]", "[mix]\nmessage = 1")).starts_with("mix.message"));
        assert!(refused(no_coach.replace("[mix]", "[coach]\ncue = 1\n[mix]")).starts_with("coach.cue"));
        let idle = smoke.replace("seconds = 15", "seconds = 15\ncoach_per_second = 1");
        assert!(refused(idle).contains("they do nothing"));
    }

    #[test]
    fn rests_count_as_the_rate_that_they_make() {
        let (_, smoke) = PRESETS[0];
        let short = smoke.replace("seconds = 15", "seconds = 15\nrests = { mean_s = 0.05 }");
        assert!(Scenario::read(short).unwrap_err().to_string().contains("rests.mean_s"));
        let hasty = smoke
            .replace("athletes = 10", "athletes = 5000")
            .replace("seconds = 15", "seconds = 15\nrests = { mean_s = 0.2 }");
        assert!(Scenario::read(hasty).unwrap_err().to_string().contains("together"));
    }
}
