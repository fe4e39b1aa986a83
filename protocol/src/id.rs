//! One type for each kind of id, so that a set can never be asked for where a session is meant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Timestamp;

macro_rules! uuid_ids {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )*};
}

uuid_ids! {
    /// A gym: the tenant. Never on the wire of a socket, where it is the token's.
    GymId;
    /// A user account; belongs to exactly one gym.
    UserId;
    /// A coaching link between a coach and an athlete.
    LinkId;
    /// A live execution of a workout. Made by the client (UUIDv7, never believed as a time).
    SessionId;
    /// One exercise at one place of one session.
    InstanceId;
    /// One set of one exercise instance.
    SetId;
    /// A workout; its content is named by id and revision together.
    WorkoutId;
    /// A cue; made by the coach's client.
    CueId;
    /// One cue to many sessions.
    CueGroupId;
    /// A message; the same in the sender's and the recipient's inbox.
    MessageId;
    /// A command. A repeat carries the same id.
    CommandId;
    /// One installation of a client; numbers its commands per entity.
    ClientId;
    /// One stream of the journal. Minted by the server (UUIDv7).
    StreamId;
}

impl ClientId {
    /// The server itself: its commands carry no number, and the state alone says whether they are done.
    pub const SERVER: Self = Self(Uuid::nil());
}

/// Bits of a stream's id that say when it was minted, in milliseconds.
const TIME_BITS: u32 = 48;

impl StreamId {
    /// The least of the streams of kept entities.
    pub const KEPT: Self = Self(Uuid::from_u128(u128::MAX << (128 - TIME_BITS)));

    /// The least of the streams that are minted at a moment or later.
    pub const fn least_at(moment: Timestamp) -> Self {
        let millis = moment.0.div_euclid(1000);
        let millis = if millis < 0 { 0 } else { millis.unsigned_abs() as u128 };
        Self(Uuid::from_u128(millis << (128 - TIME_BITS)))
    }

    /// A stream for an entity that is kept for ever: it lies in no month, since its time is the last there is.
    /// `chance` tells it from others.
    pub const fn kept(chance: Uuid) -> Self {
        Self(Uuid::from_u128(Self::KEPT.0.as_u128() | (chance.as_u128() & (u128::MAX >> TIME_BITS))))
    }

    /// When it was minted, to the millisecond.
    pub const fn minted_at(self) -> Timestamp {
        Timestamp((self.0.as_u128() >> (128 - TIME_BITS)) as i64 * 1000)
    }
}

impl InstanceId {
    /// The instance at place `exercise` (from 0) of the revision a session starts by: UUIDv5 in the
    /// session's namespace, so that a phone without signal and the server agree.
    pub fn planned(session: SessionId, exercise: usize) -> Self {
        Self(Uuid::new_v5(&session.0, format!("exercise/{exercise}").as_bytes()))
    }
}

impl SetId {
    /// The set at place `set` of the exercise at place `exercise` (both from 0); see [`InstanceId::planned`].
    pub fn planned(session: SessionId, exercise: usize, set: usize) -> Self {
        Self(Uuid::new_v5(&session.0, format!("exercise/{exercise}/set/{set}").as_bytes()))
    }
}

/// Names a movement: a slug of the catalogue (`barbell-bench-press`) or a gym's own.
/// 1 to 64 characters of `a`–`z`, `0`–`9` and `-`. Copies share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Arc<str>")]
pub struct ExerciseId(Arc<str>);

impl ExerciseId {
    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Arc<str>> for ExerciseId {
    type Error = &'static str;

    fn try_from(text: Arc<str>) -> Result<Self, Self::Error> {
        let is_slug = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(is_slug) {
            return Err("an exercise id is 1 to 64 characters of a-z, 0-9 and -");
        }
        Ok(Self(text))
    }
}

impl FromStr for ExerciseId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(Arc::from(text))
    }
}

impl fmt::Display for ExerciseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
