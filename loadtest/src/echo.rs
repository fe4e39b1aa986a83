//! `spotter-load echo`: what the harness costs and how late it is when the server does nothing but answer.
//!
//! The phones are those of `run`. The echo is this program in a process of its own, so that the processor time of the two
//! can be told apart.

use std::collections::HashMap;
use std::process::Stdio;

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use spotter_protocol::{
    Address, ClientFrame, Codec, GymId, Limits, Millis, Pong, Reply, Role, ServerFrame, Timestamp, UserId,
    Version, Welcome,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use uuid::Uuid;

use crate::host;
use crate::live::Live;
use crate::nodes::Nodes;
use crate::results::{Results, Verdict};
use crate::run::{Course, drive, judge};
use crate::scenario::Scenario;
use crate::schedule::plan;
use crate::server::{Gym, Person};
use crate::target::Target;
use crate::tokens::Tokens;
use crate::units::{count, delay};

const GYMS: u32 = 2;
/// Bytes that the echo reads at once; a command is shorter.
const READ_BUFFER_BYTES: usize = 1_024;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Echo {
    /// Sets of all phones together, each second
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    per_second: u32,
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(2..=5_000))]
    phones: u32,
    /// Be the server: print the port, and answer until standard input ends
    #[arg(long, hide = true)]
    serve: bool,
}

/// Starts an echo, loads it, and prints what came of it; or is that echo.
///
/// # Errors
/// When the echo does not start, or loses something.
pub(crate) async fn echo(asked: &Echo) -> anyhow::Result<Verdict> {
    if asked.serve {
        serve().await?;
        return Ok(Verdict::Passed);
    }
    let scenario = asked.scenario()?;
    let (child, port) = start().await?;
    let target = target(&scenario, port);
    let folder = tempfile::tempdir()?;
    let course = Course::new(plan(&scenario), scenario.length());
    let before = host::own_cpu_s();
    let (folder, live) = (folder.path(), Live::Lines(0));
    let mut results = drive(&scenario, course, &target, folder, live, async { Ok(()) }).await?;
    let own_s = host::own_cpu_s() - before;
    let echo_s = child.id().and_then(host::cpu_s).context("the echo ended")?;
    judge(&mut results, &scenario);
    println!("{}", asked.said(&results, own_s, echo_s));
    Ok(results.verdict)
}

impl Echo {
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let Self { per_second, seconds, phones, .. } = self;
        Scenario::read(format!(
            "name = \"echo\"\nabout = \"The harness itself.\"\ngyms = {GYMS}\nlag_max_ms = 1\n\
             gym = {{ athletes = {}, coaches = 0, second_devices = false }}\n\
             stages = [{{ name = \"steady\", seconds = {seconds}, per_second = {per_second} }}]\n",
            phones / GYMS
        ))
    }

    fn said(&self, results: &Results, own_s: f64, echo_s: f64) -> String {
        let answered: u64 = results.operations.values().map(|one| one.count).sum();
        let each = |seconds: f64| delay(seconds * 1e6 / answered.max(1) as f64);
        let lag = results.generator.lag;
        let sets = results.operations.get("set").map(|one| one.delay).unwrap_or_default();
        let word = match results.verdict {
            Verdict::Passed | Verdict::Failed => "PASSED: the lag p99 is under 1 ms",
            Verdict::Invalid => "INVALID: the lag p99 is over 1 ms, or the harness had no processor left",
            Verdict::Broken => "BROKEN: the harness miscounts",
        };
        format!(
            "{} sets/s for {} s from {} phones, answered by an echo: {} commands\n\
             sent behind plan:    p50 {}, p99 {}, p99.9 {}, max {}\n\
             answered after plan: p50 {}, p99 {}, p99.9 {}, max {}\n\
             processor for a command and its answer: harness {}, echo {}\n{word}",
            count(self.per_second.into()),
            self.seconds,
            self.phones / GYMS * GYMS,
            count(answered),
            delay(lag.p50 as f64),
            delay(lag.p99 as f64),
            delay(lag.p999 as f64),
            delay(lag.max as f64),
            delay(sets.p50 as f64),
            delay(sets.p99 as f64),
            delay(sets.p999 as f64),
            delay(sets.max as f64),
            each(own_s),
            each(echo_s),
        )
    }
}

/// The echo and its port. It ends with this process, whose end closes its input.
async fn start() -> anyhow::Result<(Child, u16)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["echo", "--serve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("the echo says nothing")?).read_line(&mut line).await?;
    Ok((child, line.trim().parse().context("the echo did not start")?))
}

/// The echo, and people it takes the word of.
fn target(scenario: &Scenario, port: u16) -> Target {
    let person = |_| {
        let user = UserId(Uuid::now_v7());
        Person { user, token: user.to_string(), pass: None }
    };
    let gym = |_| Gym { athletes: (0..scenario.gym.athletes).map(person).collect(), coaches: Vec::new() };
    let gyms: Vec<_> = (0..scenario.gyms).map(gym).collect();
    Target {
        name: "echo".to_owned(),
        nodes: Nodes::at([format!("http://127.0.0.1:{port}")]),
        metrics: Vec::new(),
        tokens: Tokens::of(&gyms, None),
        gyms,
        cluster: None,
        database: None,
        is_echo: true,
        stranger: None,
        made: None,
    }
}

async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let until_input_ends = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    let mut ended = tokio::task::spawn_blocking(until_input_ends);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                // A phone that goes ends its own connection alone.
                tokio::spawn(async move { answer(stream).await.ok() });
            }
            _ = &mut ended => return Ok(()),
        }
    }
}

/// Welcomes whoever comes, and says that every command is done.
async fn answer(stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    // By default each read clears 128 KiB first.
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
    let mut socket = tokio_tungstenite::accept_hdr_async_with_config(stream, protocol, Some(config)).await?;
    let mut versions: HashMap<Address, u64> = HashMap::new();
    while let Some(message) = socket.next().await {
        let Message::Binary(bytes) = message? else { continue };
        let answer = match ClientFrame::decode(Codec::MsgPack, &bytes)? {
            ClientFrame::Hello(hello) => ServerFrame::Welcome(welcome(hello.token.parse()?)),
            ClientFrame::Command(command) => {
                let version = versions.entry(command.to).or_default();
                *version += 1;
                ServerFrame::Reply(Reply::ok(command.req, Version(*version)))
            }
            ClientFrame::Ping(ping) => ServerFrame::Pong(Pong { clock: ping.clock }),
            ClientFrame::Subscribe(_)
            | ClientFrame::Unsubscribe(_)
            | ClientFrame::Signal(_)
            | ClientFrame::Ack(_)
            | ClientFrame::Token(_) => continue,
        };
        socket.send(Message::Binary(answer.encode(Codec::MsgPack).into())).await?;
    }
    Ok(())
}

#[expect(clippy::result_large_err, reason = "the form that the handshake asks for")]
fn protocol(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let protocol = HeaderValue::from_static(Codec::MsgPack.subprotocol());
    response.headers_mut().insert("sec-websocket-protocol", protocol);
    Ok(response)
}

fn welcome(user: UserId) -> Welcome {
    Welcome {
        user,
        gym: GymId(Uuid::nil()),
        role: Role::Athlete,
        incarnation: Uuid::nil(),
        clock: Timestamp(0),
        limits: Limits {
            frame_bytes: 65_536,
            commands_per_s: 10_000,
            commands_burst: 10_000,
            in_flight: 64,
            subscriptions: 512,
            heartbeat_ms: Millis(20_000),
        },
        sessions: Vec::new(),
    }
}
