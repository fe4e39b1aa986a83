//! Spotter's engine: entity actors, their directory, the lanes they commit through, the topics they publish
//! on, and the ports to what lies outside.
//!
//! ```text
//! Engine::dispatch ─▶ Directory ─▶ Shell (one ractor actor an entity) ─▶ Lanes ─▶ Journal
//!                      wakes, rests,   deduplicate, decide, append,        group
//!                      backs off       apply, publish, reply               commit
//!                                            └─▶ Backplane ─▶ sockets and walls
//! ```

mod ask;
mod backplane;
mod claims;
#[cfg(feature = "simulation")]
pub mod contract;
mod dead_letter;
mod directory;
mod engine;
mod journal;
mod lane;
mod loader;
mod peers;
mod post;
mod presence;
mod queue;
mod rebuild;
mod rotation;
mod shell;
#[cfg(feature = "simulation")]
mod simulated;
mod timers;
mod wall;

pub use ask::{Answer, Ask, Done, ReplyTo};
pub use backplane::{
    Backplane, EventNews, Listener, Listening, LocalBackplane, Publication, SignalNews, TileNews,
    events_frame, publish,
};
pub use claims::Claims;
pub use dead_letter::{DEAD_LETTERS_MAX, DeadLetter, DeadLetterId, DeadLetters};
pub use directory::Quarantined;
pub use engine::{Archived, CatchUp, Engine, Ports, Tuning};
pub use journal::{
    Append, Claim, Clock, Epoch, EventRow, Journal, LetterId, LetterRow, Library, Opening, Outcome, Remind,
    Reminder, Resident, SnapshotRow, SnapshotWrite, StoreError, Stored,
};
pub use peers::{Alone, Peers, elsewhere};
pub use presence::{Here, People};
#[cfg(feature = "simulation")]
pub use simulated::{CommitFault, SimulatedJournal, Witness};
pub use wall::Watch;
