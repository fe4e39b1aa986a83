//! A client of Spotter: sign-in, one socket, and a device that stays connected and loses nothing.
//!
//! It knows the protocol and nothing of the server. `watch`, the simulated athletes and the load harness are
//! written on it.

mod device;
mod outbox;
mod sign_in;
mod socket;

pub use device::{Device, Ended, News, NotTaken};
pub use outbox::{Answered, Heard, Outbox};
pub use sign_in::{Api, ApiError, Gym, Me, Pass, Person};
pub use socket::{Closed, Socket};
