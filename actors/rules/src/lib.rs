//! Spotter's rules. Everything here is a function of its arguments: no clock, no socket, no database, no
//! chance. [`Entity`] is what the engine drives.

mod answered;
mod entity;
mod rows;

pub use answered::{ANSWERS_MAX, Answered, CLIENTS_MAX};
pub use entity::{Ask, Brief, Entity, Needs, Rules, Verdict};
pub use rows::{ReadRow, SessionRow, SetRow};
