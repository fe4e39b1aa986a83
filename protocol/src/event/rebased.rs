//! What opens a later stream of an entity that lives for long.

use serde::{Deserialize, Serialize};

/// A stream of its own begins with the whole entity, so that nothing before it has to be read again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebased {
    /// Number of the form in which the entity is written.
    pub form: u16,
    /// The entity in that form, as it is after this event.
    #[serde(with = "serde_bytes")]
    pub entity: Vec<u8>,
}
