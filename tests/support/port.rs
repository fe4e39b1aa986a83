//! Where a server of a test listens.

use std::net::TcpListener;

/// A port nobody listens on, below those that the system gives to connections as they come. It is taken a moment later;
/// another process may be quicker, once in a blue moon.
pub fn free() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(10_000..32_000)).find(is_free).unwrap()
}
