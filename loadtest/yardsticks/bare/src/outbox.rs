//! What waits to be sent on one socket. Whoever has something for it leaves it here and goes on; the socket takes all
//! there is and sends it with one flush.

use std::sync::Mutex;

use axum::body::Bytes;
use tokio::sync::Notify;

/// A socket that falls further behind is closed.
const FRAMES_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Outbox {
    frames: Mutex<Frames>,
    filled: Notify,
}

#[derive(Default)]
struct Frames {
    waiting: Vec<Bytes>,
    overrun: bool,
}

/// The reader is too slow.
pub(crate) struct Overrun;

impl Outbox {
    pub(crate) fn push(&self, frame: Bytes) {
        let mut frames = self.lock();
        match frames.waiting.len() < FRAMES_MAX {
            true => frames.waiting.push(frame),
            false => frames.overrun = true,
        }
        drop(frames);
        self.filled.notify_one();
    }

    /// What waits; empty when nothing does.
    pub(crate) fn take(&self) -> Result<Vec<Bytes>, Overrun> {
        let mut frames = self.lock();
        if frames.overrun { Err(Overrun) } else { Ok(std::mem::take(&mut frames.waiting)) }
    }

    /// Waits until something was left here since it was asked last.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    #[expect(clippy::expect_used, reason = "nobody panics while holding it")]
    fn lock(&self) -> std::sync::MutexGuard<'_, Frames> {
        self.frames.lock().expect("frames")
    }
}
