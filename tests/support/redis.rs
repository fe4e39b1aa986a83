//! A private Redis: port and folder of its own, on loopback, without a file. It ends with what started it, also when a test
//! panics or is killed: a small shell keeps it, and reads a pipe that closes then.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::disallowed_methods, reason = "a server is waited for where nothing else runs")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Runs the server until a line comes or the pipe closes.
const KEEPER: &str = r#"
    trap '' HUP INT TERM
    "$@" </dev/null >/dev/null 2>&1 &
    server=$!
    echo "$server"
    read -r signal
    kill -CONT "$server" 2>/dev/null
    kill "-${signal:-KILL}" "$server" 2>/dev/null
    wait "$server"
"#;

/// A Redis server.
pub struct Redis {
    port: u16,
    keeper: Option<(Child, u32)>,
}

impl Redis {
    pub fn start() -> Self {
        let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = std::iter::repeat_with(|| rand::random_range(10_000..32_000)).find(is_free).unwrap();
        let mut redis = Self { port, keeper: None };
        redis.run();
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts the server on its port, and waits until it answers.
    pub fn run(&mut self) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper", "redis-server", "--save", "", "--appendonly", "no"]);
        command.args(["--bind", "127.0.0.1", "--dir", "/tmp", "--port"]).arg(self.port.to_string());
        let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.keeper = Some((shell, line.trim().parse().expect("a process id")));
        let begun = Instant::now();
        while !self.answers() {
            let waited = begun.elapsed();
            assert!(waited < PATIENCE, "Redis is installed (scripts/test-deps.sh does it) and starts");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut line = String::new();
        stream.write_all(b"PING\r\n").is_ok()
            && BufReader::new(stream).read_line(&mut line).is_ok()
            && line.trim() == "+PONG"
    }

    pub fn pid(&self) -> u32 {
        self.keeper.as_ref().expect("Redis runs").1
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        if let Some((mut shell, _)) = self.keeper.take() {
            let mut pipe = shell.stdin.take().unwrap();
            writeln!(pipe, "KILL").unwrap();
            shell.wait().unwrap();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
