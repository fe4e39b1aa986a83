//! A private Redis: port and folder of its own, on loopback; it keeps nothing on the disk.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::disallowed_methods, reason = "a server is waited for where nothing else runs")]

#[allow(clippy::duplicate_mod, reason = "a test takes the parts it needs")]
mod keeper;
#[allow(clippy::duplicate_mod, reason = "a test takes the parts it needs")]
mod port;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

use keeper::Keeper;
use tempfile::TempDir;

/// A Redis server.
pub struct Redis {
    folder: TempDir,
    port: u16,
    keeper: Option<Keeper>,
}

impl Redis {
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("spotter-redis-").unwrap();
        let mut redis = Self { folder, port: port::free(), keeper: None };
        redis.run();
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the server on its port, and waits until it answers.
    pub fn run(&mut self) {
        let (folder, port) = (self.folder.path(), self.port.to_string());
        let mut arguments = vec!["--bind", "127.0.0.1", "--port", &port, "--dir", folder.to_str().unwrap()];
        arguments.extend(["--save", "", "--appendonly", "no"]);
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        let keeper = Keeper::start(folder, None, Path::new("redis-server"), &arguments);
        keeper.wait_until(
            folder,
            || self.answers(),
            "Redis is installed (scripts/test-deps.sh does it) and starts",
        );
        self.keeper = Some(keeper);
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut line = String::new();
        stream.write_all(b"PING\r\n").is_ok()
            && BufReader::new(stream).read_line(&mut line).is_ok()
            && line.trim() == "+PONG"
    }

    pub fn pid(&self) -> u32 {
        self.keeper.as_ref().expect("Redis runs").pid()
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.end("KILL");
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
