//! Spotter beside servers that do the same work without the engine (`loadtest/yardsticks`): the same load on the same
//! PostgreSQL, in rounds in which each has its turn, so that whatever else the machine does meets all of them.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use crate::fanout::{self, Shown};
use crate::idle::{self, HEARTBEAT, ensure_files};
use crate::latency::{self, ms};
use crate::postgres::Postgres;
use crate::report::Verdict;
use crate::server::{Kind, Person, Server, Used};
use crate::{Plan, throughput};
use table::{Measured, Sample, Table};

/// How often each has its turn at each load but the idle one.
const ROUNDS: usize = 3;
/// What is measured, in the order of the table.
const LOADS: [Load; 9] = [
    Load::Fast,
    Load::Steady { rate: 500, athletes: 500 },
    Load::Steady { rate: 2_000, athletes: 1_000 },
    Load::Steady { rate: 4_000, athletes: 2_000 },
    Load::Steady { rate: 10_000, athletes: 2_000 },
    Load::Shown { followers: 1 },
    Load::Shown { followers: 100 },
    Load::Shown { followers: 5_000 },
    Load::Idle,
];
/// Athletes of the closed loop.
const FAST_ATHLETES: usize = 500;
/// How long a session is shown to each number of followers.
const SHOWN_FOR: Duration = Duration::from_secs(5);
/// Idle connections at the first reading, and at the second.
const IDLE_FEW: usize = 1_000;
const IDLE_MANY: usize = 5_000;
/// The most people that a load needs; the last ones show their sessions.
const PEOPLE: usize = IDLE_MANY;
/// The most sockets that a load needs: an athlete's and those of all followers.
const SOCKETS: usize = 5_001;
/// The longest measurement in seconds: within it nobody of a steady load fills the session that a device follows.
const SECONDS_MAX: i64 = 20;
/// A measurement that takes longer, a backlog that is worked off included, is given up.
const MEASURED_WITHIN: Duration = Duration::from_secs(300);
/// What a server whose measurement failed may take to stop.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Yardsticks {
    /// Spotter's program
    #[arg(long, value_parser = crate::program)]
    server: PathBuf,
    /// The PostgreSQL server all of them use, as a user who may make databases: postgres://user@host:port
    #[arg(long)]
    postgres: String,
    /// The first process of that server, on this machine: its processor time is measured
    #[arg(long)]
    postmaster: u32,
    /// The program of loadtest/yardsticks/bare; the table has ratios to it
    #[arg(long, value_parser = crate::program)]
    bare: Option<PathBuf>,
    /// The folder loadtest/yardsticks/socketio, its packages installed
    #[arg(long)]
    socketio: Option<PathBuf>,
    /// How long each measurement of acknowledged sets lasts
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=SECONDS_MAX))]
    seconds: u32,
}

#[derive(Clone, Copy, Debug)]
enum Load {
    /// Closed loop.
    Fast,
    /// Open loop, at so many sets a second of all athletes together.
    Steady { rate: u32, athletes: usize },
    /// Sessions that so many follow, each set once everybody has seen the one before.
    Shown { followers: u64 },
    /// Connections that do nothing.
    Idle,
}

/// A server with those who use it.
struct Contender {
    kind: Kind,
    server: Server,
    people: Vec<Person>,
    /// How many of them have shown their sessions.
    shown: usize,
}

/// Measures all of them in turn and prints the table.
pub(crate) async fn compare(asked: &Yardsticks) -> anyhow::Result<Verdict> {
    ensure_files(SOCKETS)?;
    let mut contenders = prepare(asked).await?;
    let mut table = Table::of(contenders.iter().map(|contender| contender.kind).collect());
    let mut verdict = Verdict::Ran;
    for round in 0..ROUNDS {
        for load in LOADS.into_iter().filter(|load| round < load.rounds()) {
            for turn in 0..contenders.len() {
                let column = (round + turn) % contenders.len();
                let contender = &mut contenders[column];
                let what = format!("{}, {}, round {}", contender.kind.name(), load.name(), round + 1);
                eprintln!("measuring {what} …");
                let met = match contender.measure(load, asked.seconds).await {
                    Ok(measured) => table.take(column, &what, measured),
                    Err(error) => table.failed(&what, &error),
                };
                verdict = verdict.max(met);
            }
        }
    }
    print!("{}", table.page(&command_line(asked), &how(asked))?);
    Ok(verdict)
}

async fn prepare(asked: &Yardsticks) -> anyhow::Result<Vec<Contender>> {
    let postgres = Postgres::running(&asked.postgres, Some(asked.postmaster));
    let programs = [
        (Kind::Spotter, Some(&asked.server)),
        (Kind::Bare, asked.bare.as_ref()),
        (Kind::SocketIo, asked.socketio.as_ref()),
    ];
    let mut contenders = Vec::new();
    for (kind, program) in programs {
        let Some(program) = program else { continue };
        let plan = Plan { kind, server: program.clone(), quick: false, postgres: Some(postgres.clone()) };
        let server = Server::prepare(&plan).await?;
        let (people, _) = server.populate(PEOPLE).await?;
        contenders.push(Contender { kind, server, people, shown: 0 });
    }
    Ok(contenders)
}

impl Contender {
    /// Starts the server, measures and stops it, however it went.
    async fn measure(&mut self, load: Load, seconds: u32) -> anyhow::Result<Measured> {
        let measured = tokio::time::timeout(MEASURED_WITHIN, self.put_under(load, seconds)).await;
        let measured = measured.unwrap_or_else(|_| bail!("not done within {MEASURED_WITHIN:?}"));
        if measured.is_err() {
            // One that hangs is killed when it is given up; one that has ended already needs nothing.
            _ = tokio::time::timeout(STOPPED_WITHIN, self.server.stop()).await;
        }
        measured
    }

    async fn put_under(&mut self, load: Load, seconds: u32) -> anyhow::Result<Measured> {
        self.server.start().await?;
        let name = load.name();
        match load {
            Load::Fast => {
                let people = &self.people[..FAST_ATHLETES];
                let mut athletes = throughput::connect(&self.server, people).await?;
                let run = throughput::run(&self.server, &mut athletes, seconds.into()).await?;
                // A server may wait for the goodbye of who no longer reads.
                drop(athletes);
                self.server.stop().await?;
                let mut samples = vec![(format!("acknowledged sets/s, {name}"), run.sets_per_s)];
                samples.extend(costs(run.each, &name));
                Ok(Measured { samples, ..Measured::default() })
            }
            Load::Steady { rate, athletes } => {
                let people = &self.people[..athletes];
                let steady = latency::run(&self.server, people, rate, seconds).await?;
                if let refused @ Some(_) = steady.refusal() {
                    return Ok(Measured { refused, broken: steady.broken, ..Measured::default() });
                }
                let delay = |what, delays, quantile, named| {
                    (format!("{what}, {name}, {named}, ms"), ms(delays, quantile))
                };
                let mut samples = vec![
                    delay("acknowledgement", &steady.acks, 0.5, "p50"),
                    delay("acknowledgement", &steady.acks, 0.99, "p99"),
                    delay("delivery", &steady.deliveries, 0.5, "p50"),
                    delay("delivery", &steady.deliveries, 0.99, "p99"),
                    delay("flush of the disk beside it", &steady.flushes, 1.0, "longest"),
                ];
                samples.extend(costs(steady.each, &name));
                let invalid = steady.invalid();
                Ok(Measured { samples, invalid, broken: steady.broken, ..Measured::default() })
            }
            Load::Shown { followers } => {
                // Somebody new each time: a server may name to each device that connects what is under way.
                self.shown += 1;
                let person = &self.people[PEOPLE - self.shown];
                let shown = fanout::show(&self.server, person, followers, SHOWN_FOR).await?;
                self.server.stop().await?;
                Ok(match shown {
                    Shown::Whole { per_s, per_cpu_s } => {
                        let samples = vec![
                            (format!("deliveries/s, {name}"), per_s),
                            (format!("deliveries in a second of the server's CPU, {name}"), per_cpu_s),
                        ];
                        Measured { samples, ..Measured::default() }
                    }
                    Shown::Broken(why) => Measured { broken: Some(why), ..Measured::default() },
                })
            }
            Load::Idle => {
                let people = &self.people[..IDLE_MANY];
                let idle = idle::hold(&self.server, people, IDLE_FEW, HEARTBEAT).await?;
                self.server.stop().await?;
                let samples = vec![
                    ("RSS per idle connection, KiB".to_owned(), idle.kib_slope()),
                    ("server CPU per idle connection and second, µs".to_owned(), idle.busy_us_slope()),
                ];
                Ok(Measured { samples, invalid: idle.invalid(), ..Measured::default() })
            }
        }
    }
}

impl Load {
    fn name(self) -> String {
        match self {
            Self::Fast => "as fast as it goes".to_owned(),
            Self::Steady { rate, .. } => format!("{rate} sets/s"),
            Self::Shown { followers: 1 } => "1 follower".to_owned(),
            Self::Shown { followers } => format!("{followers} followers"),
            Self::Idle => "idle connections".to_owned(),
        }
    }

    /// How often it is measured. The idle load takes a minute and a half each time.
    const fn rounds(self) -> usize {
        match self {
            Self::Fast | Self::Steady { .. } | Self::Shown { .. } => ROUNDS,
            Self::Idle => 1,
        }
    }
}

/// The command that gives such a page, without the folders of this machine.
fn command_line(asked: &Yardsticks) -> String {
    format!(
        "spotter-load yardsticks --seconds {} --server spotter --postgres postgres://spotter@127.0.0.1:5432 \
         --postmaster PID --bare bare --socketio loadtest/yardsticks/socketio",
        asked.seconds
    )
}

/// How the figures are made.
fn how(asked: &Yardsticks) -> String {
    format!(
        "Medians of {ROUNDS} rounds, least and most in brackets; {} s each, in turn, on one PostgreSQL. As fast as it goes: \
         {FAST_ATHLETES} athletes, each with two commands under way. At a steady rate: delays from planned times, each \
         athlete followed by a second device; one command in eleven plans an exercise instead of logging a set. Ratios \
         are of medians. What the servers do and leave out: `loadtest/yardsticks/README.md`.\n\n\
         Followers: for {} s an athlete logs sets, each once everybody who follows the session has seen the one before; a \
         full session is followed by another, and while all turn to it nothing is measured. A set is durable before it is \
         shown: with one follower a delivery costs what the set costs. The followers share the cores with the server: of its \
         own are the deliveries in a second of its processor time. Every follower checks that each version comes once and \
         in order.\n\n\
         Idle connections: {IDLE_MANY} athletes connect and follow a session of their own that is at rest. Both figures \
         are slopes from {IDLE_FEW} to {IDLE_MANY} connections, without what the first ones warm up, measured in one round \
         only. Resident memory is read once the server has held the same for two seconds; kernel memory of sockets is not \
         in it. Then nobody does anything for {} s, the heartbeat of all three servers, but what their protocols ask for: \
         each connection gives one sign of life. All of them answer a ping in the end.",
        asked.seconds,
        SHOWN_FOR.as_secs(),
        HEARTBEAT.as_secs(),
    )
}

/// Processor time, of the server and of PostgreSQL.
fn costs(each: Used, name: &str) -> Vec<Sample> {
    let cost = |whose, s: f64| (format!("{whose} CPU, {name}, ms per 1,000 sets"), s * 1_000_000.0);
    let mut costs = vec![cost("server", each.server_s)];
    costs.extend(each.database_s.map(|s| cost("PostgreSQL", s)));
    costs
}
