//! Spotter's rules. Everything here is a function of its arguments: no clock, no socket, no database, no
//! chance. [`Entity`] is what the engine drives; [`Session`], [`Inbox`] and [`Room`] are its kinds; [`Wall`] turns
//! glances at sessions into the tiles of a room.

mod answered;
mod entity;
mod estimate;
mod inbox;
mod letter;
mod presence;
mod room;
mod rows;
mod session;
mod wall;

pub use answered::{ANSWERS_MAX, Answered, CLIENTS_MAX};
pub use entity::{Ask, Brief, Entity, Needs, Rules, Verdict};
pub use estimate::{Estimate, e1rm};
pub use inbox::{CONVERSATIONS_MAX, Inbox, MESSAGES_IN_ALL_MAX, MESSAGES_MAX, NOTIFICATIONS_MAX};
pub use letter::Letter;
pub use presence::{Connected, GRACE};
pub use room::Room;
pub use rows::{BestsRow, MessageRow, ReadRow, SessionRow, SetRow};
pub use session::{
    ABANDON_AFTER, CUES_MAX, EXERCISES_MAX, NOTES_MAX, OPEN_DAYS, PAINS_MAX, REST_MAX, SETS_MAX, Session,
};
pub use wall::Wall;
