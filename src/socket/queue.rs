//! What waits to be written to one socket, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use spotter_protocol::{CloseCode, Codec, ServerFrame};
use tokio::sync::Notify;

/// Frames on their way to one socket. Anyone may push; the connection's task writes.
pub(crate) struct SendQueue {
    codec: Codec,
    bytes_max: usize,
    ready: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    close: Option<CloseCode>,
}

/// What the connection's task writes next.
pub(crate) struct Due {
    /// Frames, oldest first.
    pub(crate) frames: VecDeque<Bytes>,
    /// To be closed with, after the frames.
    pub(crate) close: Option<CloseCode>,
}

impl SendQueue {
    pub(crate) fn new(codec: Codec, bytes_max: usize) -> Self {
        Self { codec, bytes_max, ready: Notify::new(), state: Mutex::default() }
    }

    pub(crate) const fn codec(&self) -> Codec {
        self.codec
    }

    /// Adds a frame of this connection alone.
    pub(crate) fn send(&self, frame: &ServerFrame) {
        self.push(frame.encode(self.codec).into());
    }

    /// Adds an encoded frame. Over the bound the socket is closed as too slow, and what waited is dropped:
    /// its reader resumes from the versions it has.
    pub(crate) fn push(&self, frame: Bytes) {
        let mut state = self.lock();
        if state.close.is_some() {
            return;
        }
        state.bytes += frame.len();
        if state.bytes > self.bytes_max {
            *state = State { close: Some(CloseCode::TooSlow), ..State::default() };
            metrics::counter!("spotter_ws_slow_consumer_total").increment(1);
        } else {
            state.frames.push_back(frame);
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Closes the socket after the frames that wait. The first reason counts.
    pub(crate) fn close(&self, code: CloseCode) {
        self.lock().close.get_or_insert(code);
        self.ready.notify_one();
    }

    /// Takes everything that waits; waits while nothing does.
    pub(crate) async fn due(&self) -> Due {
        loop {
            let ready = self.ready.notified();
            {
                let mut state = self.lock();
                if !state.frames.is_empty() || state.close.is_some() {
                    state.bytes = 0;
                    return Due { frames: std::mem::take(&mut state.frames), close: state.close };
                }
            }
            ready.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_closed_and_costs_nothing_more() {
        let queue = SendQueue::new(Codec::MsgPack, 100);
        for _ in 0..50 {
            queue.push(Bytes::from_static(&[0; 40]));
        }

        let due = queue.due().await;

        assert_eq!((due.frames.len(), due.close), (0, Some(CloseCode::TooSlow)));
    }

    #[tokio::test]
    async fn frames_pushed_before_a_close_are_written_first() {
        let queue = SendQueue::new(Codec::MsgPack, 100);
        queue.push(Bytes::from_static(b"last words"));
        queue.close(CloseCode::Restart);
        queue.push(Bytes::from_static(b"too late"));

        let due = queue.due().await;

        assert_eq!((due.frames.len(), due.close), (1, Some(CloseCode::Restart)));
    }
}
