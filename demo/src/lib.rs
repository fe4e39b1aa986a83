//! The demo's gym and its athletes. The gym is data; the athletes are clients of the socket and of sign-in
//! like any phone, and know nothing of the server: this crate depends on the client and the protocol alone.

mod athlete;
mod chance;
mod floor;
mod gym;
mod log;
mod todo;
mod workouts;

pub use floor::{Options, run};
pub use gym::{Account, DemoGym, PASSWORD};
