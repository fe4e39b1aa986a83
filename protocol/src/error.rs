//! Why something was refused: one table of codes, each with the text a person reads and whether to try again.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Millis, Version};

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// Send the same request again, after `retry_after_ms` when it is given.
    Temporary,
    /// The same request will be refused again: drop it.
    Permanent,
}

macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $persistence:ident, $text:literal;)*) => {
        /// The stable code of a refusal. Codes are added, never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$meta])* #[doc = ""] #[doc = $text] #[serde(rename = $code)] $name,)*
            /// A code of a newer server.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl ErrorCode {
            /// Every code this build sends.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* Self::Unknown => "unknown" }
            }

            /// The text that goes with it when the place of refusal has no better one.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* Self::Unknown => "unknown error" }
            }

            /// Whether the same request may succeed later.
            pub const fn persistence(self) -> Persistence {
                match self { $(Self::$name => Persistence::$persistence,)* Self::Unknown => Persistence::Permanent }
            }
        }
    };
}

codes! {
    // The frame
    /// The frame or a field of it cannot be read.
    BadFrame = "bad_frame", Permanent, "the frame cannot be read";
    /// The kind of frame is not one this server knows.
    UnknownFrame = "unknown_frame", Permanent, "no frame has this kind";
    /// Known, and not served by this release.
    Unsupported = "unsupported", Permanent, "this server does not serve this yet";
    // The caller
    /// No valid token.
    Unauthenticated = "unauthenticated", Permanent, "sign in first";
    /// Absent, of another gym, or not allowed: the three are not told apart.
    NotFound = "not_found", Permanent, "there is no such thing, or you may not see it";
    // Load and order
    /// A queue or a rate is full.
    Busy = "busy", Temporary, "too much at once: send it again later";
    /// The store or the entity is away for a moment; the outcome may be unknown.
    Unavailable = "unavailable", Temporary, "not available just now: send it again";
    /// The entity failed too often in a row: an operator has to look at it. The command stays good.
    Quarantined = "quarantined", Temporary, "this keeps failing and an operator has to look at it: send it again later";
    /// The server failed twice on this command. It changed nothing, and is kept for an operator.
    Abandoned = "abandoned", Permanent, "the server failed twice on this command and gave it up";
    /// The command it must follow has not arrived; `highest` names the last that did.
    OutOfOrder = "out_of_order", Temporary, "an earlier command is missing: send again from there";
    // The session
    /// The session has begun before.
    AlreadyStarted = "already_started", Permanent, "the session has already started";
    /// The workout or that revision of it does not exist.
    UnknownWorkout = "unknown_workout", Permanent, "there is no such workout or revision";
    /// The session has no such set.
    UnknownSet = "unknown_set", Permanent, "the session has no such set";
    /// The set was completed, failed or skipped before.
    AlreadyLogged = "already_logged", Permanent, "the set is already logged: amend or void it";
    /// The set has nothing to amend or void.
    NotLogged = "not_logged", Permanent, "nothing is logged for the set";
    /// Nothing was recorded as done.
    Empty = "empty", Permanent, "a set needs repetitions, seconds or metres";
    /// The place of a new set contradicts the session.
    Misplaced = "misplaced", Permanent, "that exercise instance is another exercise";
    /// The session is full.
    Full = "full", Permanent, "the session holds no more";
    /// The session is not live or paused.
    NotRunning = "not_running", Permanent, "the session is not running";
    /// Not in the phase the command needs.
    WrongPhase = "wrong_phase", Permanent, "the session is not in that phase";
    /// Over thirty days after the start.
    Closed = "closed", Permanent, "the session began more than thirty days ago";
    /// The plan has changed since the version that a patch is based on; `head` is the version now.
    Outdated = "outdated", Permanent, "the plan has changed meanwhile: look at it again";
    /// The session is not silent for long enough.
    NotYet = "not_yet", Temporary, "it is too early for that";
    /// The session has no such cue.
    UnknownCue = "unknown_cue", Permanent, "the session has no such cue";
    /// The session has no such exercise.
    UnknownExercise = "unknown_exercise", Permanent, "the session has no such exercise";
    // The inbox
    /// A message to oneself.
    ToOneself = "to_oneself", Permanent, "a message goes to somebody else";
    // The room
    /// The athlete is on no link of this coach.
    NotOnRoster = "not_on_roster", Permanent, "the athlete is not on this roster";
    /// It is so already.
    NoChange = "no_change", Permanent, "that would change nothing";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal as it travels. Nothing was changed, except where the code says that the outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The stable code.
    pub code: ErrorCode,
    /// For a person: lowercase, without a full stop.
    pub text: String,
    /// Whether to try again.
    pub kind: Persistence,
    /// How long to wait first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<Millis>,
    /// With `out_of_order`: the highest number accepted from this client by this entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<u64>,
    /// The entity's version when it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Version>,
}

impl Fault {
    /// A refusal with the code's own text.
    pub fn new(code: ErrorCode) -> Self {
        Self::saying(code, code.text())
    }

    /// A refusal with a text of its own.
    pub fn saying(code: ErrorCode, text: impl Into<String>) -> Self {
        let kind = code.persistence();
        Self { code, text: text.into(), kind, retry_after_ms: None, highest: None, head: None }
    }

    /// A temporary refusal that says when to come back.
    pub fn retry(code: ErrorCode, after: Millis) -> Self {
        Self { retry_after_ms: Some(after), ..Self::new(code) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

impl std::error::Error for Fault {}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::new(code)
    }
}
