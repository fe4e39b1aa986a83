//! Loads, repetitions, durations and effort, each within what a human being can do.
//! A value outside its range cannot be built, so it is refused where a frame is decoded.

use serde::{Deserialize, Serialize};

/// A mass in whole grams, bar included. Whole grams keep equality and the wire exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grams(pub u32);

/// The unit a load was typed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Kilograms.
    Kg,
    /// Pounds of exactly 453.59237 g.
    Lb,
}

/// Exercises of one group are done in rounds: the k-th set of each is round k. 1 to 26, shown as A to Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Group(u8);

impl TryFrom<u8> for Group {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        (1..=26).contains(&number).then_some(Self(number)).ok_or("a group is 1 to 26")
    }
}

impl From<Group> for u8 {
    fn from(group: Group) -> Self {
        group.0
    }
}

/// One answer of a readiness check-in: 1 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Answer(u8);

impl TryFrom<u8> for Answer {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        (1..=5).contains(&number).then_some(Self(number)).ok_or("an answer is 1 to 5")
    }
}

impl From<Answer> for u8 {
    fn from(answer: Answer) -> Self {
        answer.0
    }
}

/// How an athlete feels before training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feeling {
    /// How well they slept.
    pub sleep: Answer,
    /// How much energy they have.
    pub energy: Answer,
    /// How good their mood is.
    pub mood: Answer,
    /// How sore they are: more is worse.
    pub soreness: Answer,
    /// How stressed they are: more is worse.
    pub stress: Answer,
}

impl Feeling {
    /// The mean of the five answers in tenths, 10 to 50, with soreness and stress turned round (6 − x), halves up.
    /// Never a diagnosis.
    pub const fn score_tenths(self) -> u8 {
        let sum = self.sleep.0 + self.energy.0 + self.mood.0 + (6 - self.soreness.0) + (6 - self.stress.0);
        // Ten times the mean of five is twice the sum: never a half.
        sum * 2
    }
}

/// A load as it was typed, with its exact unit. Serialised as `{typed, unit, g}`, where `typed` counts
/// thousandths of the unit and `g` whole grams; `g` is computed, and ignored when read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "TypedLoad", into = "WrittenLoad")]
pub struct Load {
    typed: u32,
    unit: Unit,
}

#[derive(Deserialize)]
struct TypedLoad {
    typed: u32,
    unit: Unit,
}

#[derive(Serialize)]
struct WrittenLoad {
    typed: u32,
    unit: Unit,
    g: Grams,
}

impl Load {
    /// The heaviest load accepted: 2,500 kg, the cap of Health Connect.
    pub const MAX: Grams = Grams(2_500_000);

    /// A load of `typed` thousandths of `unit`.
    ///
    /// # Errors
    /// When it is heavier than [`Load::MAX`].
    pub fn new(typed: u32, unit: Unit) -> Result<Self, &'static str> {
        let load = Self { typed, unit };
        if load.exact_grams() > u64::from(Self::MAX.0) {
            return Err("load is over 2,500 kg");
        }
        Ok(load)
    }

    /// Thousandths of [`Load::unit`], as typed.
    pub const fn typed(&self) -> u32 {
        self.typed
    }

    /// The unit it was typed in.
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// The load in whole grams, halves rounded up; 1 lb is 453.59237 g (international pound, 1959).
    #[expect(clippy::cast_possible_truncation, reason = "bounded by MAX when built")]
    pub fn grams(&self) -> Grams {
        Grams(self.exact_grams() as u32)
    }

    fn exact_grams(&self) -> u64 {
        let typed = u64::from(self.typed);
        match self.unit {
            Unit::Kg => typed,
            Unit::Lb => (typed * 45_359_237 + 50_000_000) / 100_000_000,
        }
    }
}

impl TryFrom<TypedLoad> for Load {
    type Error = &'static str;

    fn try_from(load: TypedLoad) -> Result<Self, Self::Error> {
        Self::new(load.typed, load.unit)
    }
}

impl From<Load> for WrittenLoad {
    fn from(load: Load) -> Self {
        Self { typed: load.typed, unit: load.unit, g: load.grams() }
    }
}

macro_rules! bounded {
    ($($(#[$meta:meta])* $name:ident($inner:ty) <= $max:literal, $error:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u32", into = "u32")]
        pub struct $name($inner);

        impl $name {
            /// Builds the value.
            ///
            /// # Errors
            /// When it is over the largest accepted.
            pub fn new(value: u32) -> Result<Self, &'static str> {
                if value > $max {
                    return Err($error);
                }
                <$inner>::try_from(value).map(Self).map_err(|_| $error)
            }

            /// The plain number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl TryFrom<u32> for $name {
            type Error = &'static str;

            fn try_from(value: u32) -> Result<Self, Self::Error> {
                Self::new(value)
            }
        }

        impl From<$name> for u32 {
            fn from(value: $name) -> Self {
                Self::from(value.0)
            }
        }
    )*};
}

bounded! {
    /// How bad a pain is: 0 (gone) to 10.
    PainLevel(u8) <= 10, "pain is told from 0 to 10";
    /// Repetitions, 0 to 1,000.
    Reps(u16) <= 1_000, "more than 1,000 repetitions";
    /// Whole seconds of timed work, 0 to 86,400.
    Seconds(u32) <= 86_400, "more than a day";
    /// Whole metres of distance, 0 to 100,000.
    Metres(u32) <= 100_000, "more than 100 km";
}

/// The repetitions a set asks for: `min` to `max`, or `min` and as many as possible when `max` is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "TypedRange")]
pub struct RepRange {
    /// The floor; fewer is a missed target.
    pub min: Reps,
    /// The ceiling; absent for as many as possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Reps>,
}

#[derive(Deserialize)]
struct TypedRange {
    min: Reps,
    #[serde(default)]
    max: Option<Reps>,
}

impl TryFrom<TypedRange> for RepRange {
    type Error = &'static str;

    fn try_from(range: TypedRange) -> Result<Self, Self::Error> {
        if range.max.is_some_and(|max| max < range.min) {
            return Err("a rep range ends below its start");
        }
        Ok(Self { min: range.min, max: range.max })
    }
}

/// The scale an effort was given on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffortScale {
    /// Rating of perceived exertion, 1 to 10.
    Rpe,
    /// Repetitions in reserve, 0 to 10.
    Rir,
}

/// How hard a set was, in half steps, on the scale it was given on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "TypedEffort")]
pub struct Effort {
    scale: EffortScale,
    tenths: u8,
}

#[derive(Deserialize)]
struct TypedEffort {
    scale: EffortScale,
    tenths: u8,
}

impl Effort {
    /// An effort of `tenths` tenths on `scale`: RPE 8.5 is 85.
    ///
    /// # Errors
    /// When it is not a half step, or outside 1–10 (RPE) or 0–10 (RIR).
    pub fn new(scale: EffortScale, tenths: u8) -> Result<Self, &'static str> {
        let least = match scale {
            EffortScale::Rpe => 10,
            EffortScale::Rir => 0,
        };
        if !tenths.is_multiple_of(5) || !(least..=100).contains(&tenths) {
            return Err("effort is RPE 1 to 10 or RIR 0 to 10, in half steps");
        }
        Ok(Self { scale, tenths })
    }

    /// The scale it was given on.
    pub const fn scale(&self) -> EffortScale {
        self.scale
    }

    /// The value in tenths, as given.
    pub const fn tenths(&self) -> u8 {
        self.tenths
    }

    /// The same effort as RPE in tenths: RIR 2 is RPE 8 (Zourdos 2016, J Strength Cond Res 30(1)).
    pub const fn rpe_tenths(&self) -> u8 {
        match self.scale {
            EffortScale::Rpe => self.tenths,
            EffortScale::Rir => 100 - self.tenths,
        }
    }
}

impl TryFrom<TypedEffort> for Effort {
    type Error = &'static str;

    fn try_from(effort: TypedEffort) -> Result<Self, Self::Error> {
        Self::new(effort.scale, effort.tenths)
    }
}

/// How a set is meant. A superset is not a type: it is a group and a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetType {
    /// Preparation; counts towards nothing.
    Warmup,
    /// An ordinary working set.
    #[default]
    Working,
    /// Straight on from the set before, with less load.
    Dropset,
    /// Until no further repetition is possible.
    Failure,
    /// As many repetitions as possible.
    Amrap,
    /// Lighter work after the heaviest set.
    Backoff,
    /// Myo-repetitions: short bouts around one long set.
    Myo,
    /// A cluster: short rests inside the set.
    Cluster,
    /// Repetitions through part of the range.
    Partial,
    /// Repetitions with help.
    Forced,
    /// A hold without movement.
    Iso,
}

impl SetType {
    /// Whether the set counts towards volume, bests and records: all but warm-ups.
    pub const fn counts(self) -> bool {
        match self {
            Self::Warmup => false,
            Self::Working
            | Self::Dropset
            | Self::Failure
            | Self::Amrap
            | Self::Backoff
            | Self::Myo
            | Self::Cluster
            | Self::Partial
            | Self::Forced
            | Self::Iso => true,
        }
    }
}

/// What the number on the load means for this movement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// All of it moved at once: barbell, plates.
    #[default]
    External,
    /// In each hand: dumbbells. Twice as much is moved.
    PerHand,
    /// Added to the body's own mass: pull-ups, dips.
    Bodyweight,
    /// Taken off the body's mass by a machine.
    Assisted,
    /// Plates of a machine's stack.
    Stack,
    /// No load: timed or counted work.
    None,
}

/// The side a one-sided set was done on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pounds_become_whole_grams_by_the_exact_factor() {
        let grams = |lb: u32| Load::new(lb * 1000, Unit::Lb).map(|load| load.grams());
        assert_eq!(grams(1), Ok(Grams(454)));
        assert_eq!(grams(225), Ok(Grams(102_058)));
    }

    #[test]
    fn what_was_typed_survives_the_conversion() {
        let json = r#"{"typed":225000,"unit":"lb","g":1}"#;
        let load: Load = serde_json::from_str(json).expect("valid load");
        assert_eq!(serde_json::to_string(&load).expect("json"), r#"{"typed":225000,"unit":"lb","g":102058}"#);
    }

    #[test]
    fn the_impossible_is_refused() {
        assert!(Load::new(2_500_001, Unit::Kg).is_err());
        assert!(Load::new(u32::MAX, Unit::Lb).is_err());
        assert!(Reps::new(1_001).is_err());
        assert!(Effort::new(EffortScale::Rpe, 84).is_err());
        assert!(Effort::new(EffortScale::Rpe, 5).is_err());
        assert!(serde_json::from_str::<RepRange>(r#"{"min":8,"max":5}"#).is_err());
    }

    #[test]
    fn two_in_reserve_is_an_rpe_of_eight() {
        assert_eq!(Effort::new(EffortScale::Rir, 20).map(|effort| effort.rpe_tenths()), Ok(80));
    }
}
