//! Whether the target answers, and how far away it is.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::{Finding, Level};
use crate::units;

const NAME: &str = "target";
/// An answer that takes longer is none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Answers that are measured.
const ASKED: usize = 5;
/// A connection and an answer from a server at rest take less.
const SLOW: Duration = Duration::from_millis(20);

pub(super) fn look(target: &str) -> Finding {
    let Some(host) = host(target) else {
        let said = format!("{target} is none: write ws://HOST:PORT, without TLS and without a path");
        return Finding::of(Level::Fail, NAME, said);
    };
    let mut delays = Vec::new();
    for _ in 0..ASKED {
        let asked = Instant::now();
        match ask(host) {
            Ok(status) if status == "200" => delays.push(asked.elapsed()),
            Ok(status) => return not_ready(host, &status),
            Err(error) => {
                let is_silent = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
                let said = if is_silent {
                    format!("{host} does not answer within {ANSWER_TIMEOUT:?}: look for a firewall between")
                } else {
                    format!("nobody answers at {host} ({error}): start the server, or look at the address")
                };
                return Finding::of(Level::Fail, NAME, said);
            }
        }
    }
    delays.sort();
    judged(host, delays[ASKED / 2])
}

fn not_ready(host: &str, status: &str) -> Finding {
    let said = match status {
        "503" => format!("{host} is not ready: wait until it has started, and see its log"),
        "" => format!("what listens at {host} does not speak HTTP: look at the port"),
        other => format!("{host} answers {other} to /readyz: it may not be a Spotter"),
    };
    Finding::of(Level::Fail, NAME, said)
}

fn judged(host: &str, median: Duration) -> Finding {
    let took = units::delay(median.as_micros() as f64);
    if median < SLOW {
        return Finding::of(Level::Ok, NAME, format!("{host} is ready and answers in {took}"));
    }
    let said = format!(
        "{host} is ready but takes {took} to answer: every figure has that in it; measure from nearer"
    );
    Finding::of(Level::Warn, NAME, said)
}

/// Host and port of a target.
fn host(target: &str) -> Option<&str> {
    let host = target.strip_prefix("ws://").or_else(|| target.strip_prefix("http://"))?.trim_end_matches('/');
    let (name, port) = host.rsplit_once(':')?;
    (!name.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()).then_some(host)
}

/// The status of `/readyz`; empty when the answer is not HTTP.
fn ask(host: &str) -> std::io::Result<String> {
    let mut stream = connect(host)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    // As much as says what it is, whatever follows.
    let mut answer = [0; 12];
    let mut read = 0;
    while read < answer.len() {
        match stream.read(&mut answer[read..])? {
            0 => break,
            more => read += more,
        }
    }
    let status = answer.strip_prefix(b"HTTP/1.1 ").unwrap_or_default();
    Ok(String::from_utf8_lossy(status).into_owned())
}

/// Connects to the first address of a name that takes it.
fn connect(host: &str) -> std::io::Result<TcpStream> {
    let mut last = Error::new(ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What is found where a listener gives this answer to the first `times` connections.
    fn found(answer: &'static str, times: usize) -> Finding {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = format!("ws://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            for stream in listener.incoming().take(times) {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 512]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let finding = look(&target);
        server.join().unwrap();
        finding
    }

    #[test]
    fn a_target_that_is_ready_is_told_from_one_that_is_not() {
        assert_eq!(found("HTTP/1.1 200 OK\r\n\r\nready\n", ASKED).level, Level::Ok);
        assert!(found("HTTP/1.1 503 Service Unavailable\r\n\r\n", 1).said.contains("is not ready"));
        assert!(found("SSH-2.0-OpenSSH_9\r\n", 1).said.contains("does not speak HTTP"));
        assert!(found("HTTP/1.1 404 Not Found\r\n\r\n", 1).said.contains("may not be a Spotter"));
    }

    #[test]
    fn a_target_where_nobody_listens_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = format!("ws://{}", listener.local_addr().unwrap());
        drop(listener);
        let finding = look(&target);
        assert!(finding.level == Level::Fail && finding.said.contains("nobody answers"), "{finding}");
    }

    #[test]
    fn a_target_is_a_host_and_a_port() {
        assert_eq!(host("ws://127.0.0.1:8080/"), Some("127.0.0.1:8080"));
        assert_eq!(host("ws://[::1]:8080"), Some("[::1]:8080"));
        for none in ["wss://gym.example:443", "ws://gym.example", "ws://:80", "ws://a:80/v1/socket", "gym:80"]
        {
            assert_eq!(host(none), None, "{none}");
        }
    }
}
