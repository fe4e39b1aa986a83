//! Text with a stated bound, checked where it is decoded.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Text of at most `MAX` bytes of UTF-8, without control characters other than newline and tab. Copies share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Arc<str>")]
pub struct Text<const MAX: usize>(Arc<str>);

/// The name of a person or a movement.
pub type Name = Text<120>;
/// The title of a session or workout.
pub type Title = Text<160>;
/// Why something was skipped, amended or voided.
pub type Reason = Text<500>;
/// A free note on a session or a set.
pub type NoteText = Text<2000>;
/// Where something hurts.
pub type Site = Text<80>;
/// What a message says.
pub type MessageText = Text<2000>;

impl<const MAX: usize> Text<MAX> {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Cuts `text` to the bound at a character's edge and drops control characters.
    pub fn clipped(text: &str) -> Self {
        let mut clean: String = text.chars().filter(|c| allowed(*c)).collect();
        clean.truncate(clean.floor_char_boundary(MAX));
        Self(clean.into())
    }
}

fn allowed(c: char) -> bool {
    !c.is_control() || c == '\n' || c == '\t'
}

impl<const MAX: usize> TryFrom<Arc<str>> for Text<MAX> {
    type Error = String;

    fn try_from(text: Arc<str>) -> Result<Self, Self::Error> {
        if text.len() > MAX {
            return Err(format!("text is longer than {MAX} bytes"));
        }
        if !text.chars().all(allowed) {
            return Err("text holds a control character".to_owned());
        }
        Ok(Self(text))
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(Arc::from(text))
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
