//! The server under test, Spotter or one that it is compared with: a process of its own in a folder of its own, on
//! loopback, ended when dropped.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use spotter_client::Pass;
use spotter_protocol::UserId;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::Plan;
use crate::host;
use crate::postgres::{Postgres, Private};

/// How long a start may take before the measurement gives up.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to stop before it is killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
/// Lines of its log that an error shows.
const LAST_WORDS: usize = 10;
/// The gym of the load.
const GYM: &str = "lt-bench";

/// Which server does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Spotter itself.
    Spotter,
    /// `loadtest/yardsticks/bare`: a program that speaks a part of Spotter's protocol.
    Bare,
    /// `loadtest/yardsticks/socketio`: a folder, for Node.
    SocketIo,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Spotter => "spotter",
            Self::Bare => "bare",
            Self::SocketIo => "socketio",
        }
    }
}

/// What is spoken on a server's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Spotter,
    SocketIo,
}

/// A server process and its data.
pub(crate) struct Server {
    kind: Kind,
    program: PathBuf,
    folder: Arc<TempDir>,
    /// How long a session is kept in memory that nobody adds to.
    pub(crate) rests_after: Duration,
    /// Where what it says is written; else it goes where this program's own words go.
    pub(crate) log: Option<PathBuf>,
    port: u16,
    admin_port: u16,
    child: Mutex<Option<Child>>,
    /// The database of its own, where it does not keep a file.
    database: Option<String>,
    postgres: Option<Postgres>,
    /// Where it finds other nodes on the database.
    pub(crate) redis: Option<String>,
}

/// What a server and its database have used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    /// Processor time of the server, in seconds.
    pub(crate) server_s: f64,
    /// Processor time of PostgreSQL, in seconds, where it can be read.
    pub(crate) database_s: Option<f64>,
    /// Bytes of PostgreSQL's write-ahead log.
    pub(crate) log_bytes: Option<f64>,
}

impl Used {
    /// What was used after `before`, for each of `count`.
    pub(crate) fn each_since(self, before: Self, count: u64) -> Self {
        let each = 1.0 / count as f64;
        let between = |after: Option<f64>, before: Option<f64>| Some((after? - before?) * each);
        Self {
            server_s: (self.server_s - before.server_s) * each,
            database_s: between(self.database_s, before.database_s),
            log_bytes: between(self.log_bytes, before.log_bytes),
        }
    }
}

/// Somebody with a token.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) user: UserId,
    pub(crate) token: String,
    /// What it is renewed with, of somebody who signed in.
    pub(crate) pass: Option<Pass>,
}

/// The people of a gym.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gym {
    pub(crate) athletes: Vec<Person>,
    pub(crate) coaches: Vec<Person>,
}

impl From<Pass> for Person {
    fn from(pass: Pass) -> Self {
        Self { user: pass.user.id, token: pass.access_token.clone(), pass: Some(pass) }
    }
}

impl Person {
    /// Somebody whose id is their token.
    fn made_up() -> Self {
        let user = UserId(Uuid::now_v7());
        Self { user, token: user.to_string(), pass: None }
    }
}

impl Server {
    /// Prepares a server that is not started yet.
    pub(crate) async fn prepare(plan: &Plan) -> anyhow::Result<Self> {
        let database = match &plan.postgres {
            Some(postgres) => Some(postgres.new_database().await?),
            None => None,
        };
        Ok(Self {
            kind: plan.kind,
            program: plan.server.clone(),
            database,
            postgres: plan.postgres.clone(),
            redis: None,
            folder: Arc::new(TempDir::new()?),
            rests_after: Duration::from_secs(3_600),
            log: None,
            port: free_port()?,
            admin_port: free_port()?,
            child: Mutex::new(None),
        })
    }

    /// Another node on the database and in the folder of this one, with ports of its own. It is not started yet.
    pub(crate) fn beside(&self) -> anyhow::Result<Self> {
        Ok(Self {
            kind: self.kind,
            program: self.program.clone(),
            database: self.database.clone(),
            postgres: self.postgres.clone(),
            redis: self.redis.clone(),
            folder: Arc::clone(&self.folder),
            rests_after: self.rests_after,
            log: None,
            port: free_port()?,
            admin_port: free_port()?,
            child: Mutex::new(None),
        })
    }

    pub(crate) const fn protocol(&self) -> Protocol {
        match self.kind {
            Kind::Spotter | Kind::Bare => Protocol::Spotter,
            Kind::SocketIo => Protocol::SocketIo,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn socket(&self) -> String {
        let path = match self.protocol() {
            Protocol::Spotter => "v1/socket",
            Protocol::SocketIo => "socket.io/?EIO=4&transport=websocket",
        };
        format!("{}/{path}", self.address("ws"))
    }

    /// Where it says how it is.
    pub(crate) fn metrics(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.admin_port)
    }

    /// Adds a gym of `athletes` athletes with one coach who sees all of them. A server without accounts takes whoever
    /// comes.
    pub(crate) async fn populate(&self, athletes: usize) -> anyhow::Result<(Vec<Person>, Person)> {
        if self.kind != Kind::Spotter {
            return Ok(((0..athletes).map(|_| Person::made_up()).collect(), Person::made_up()));
        }
        let Gym { athletes, mut coaches } = self.add_gym(GYM, athletes, 1).await?;
        Ok((athletes, coaches.pop().context("the coach has no token")?))
    }

    /// Adds a gym in which each coach sees all athletes.
    pub(crate) async fn add_gym(&self, slug: &str, athletes: usize, coaches: usize) -> anyhow::Result<Gym> {
        self.tool(&["migrate"]).await?;
        self.tool(&["gym", "add", "--slug", slug, "--name", "Load"]).await?;
        let mut users = "email,name,role\n".to_owned();
        let mut links = "coach,athlete\n".to_owned();
        for n in 0..coaches {
            users += &format!("c{n}@{slug}.example,Coach {n},coach\n");
        }
        for n in 0..athletes {
            users += &format!("a{n}@{slug}.example,Athlete {n},athlete\n");
            for coach in 0..coaches {
                links += &format!("c{coach}@{slug}.example,a{n}@{slug}.example\n");
            }
        }
        let mut tables = vec![("user", users)];
        if coaches > 0 {
            tables.push(("link", links));
        }
        for (what, rows) in tables {
            let file = self.folder.path().join(format!("{what}s.csv"));
            std::fs::write(&file, rows)?;
            let file = file.to_str().context("the temporary folder has an odd name")?;
            self.tool(&[what, "add", "--gym", slug, "--from", file]).await?;
        }
        self.gym(slug).await
    }

    /// The people of a gym, each with a new token.
    pub(crate) async fn gym(&self, slug: &str) -> anyhow::Result<Gym> {
        Ok(Gym { athletes: self.people(slug, "athlete").await?, coaches: self.people(slug, "coach").await? })
    }

    async fn people(&self, slug: &str, role: &str) -> anyhow::Result<Vec<Person>> {
        let printed = self.tool(&["token", "--gym", slug, "--role", role]).await?;
        let person = |line: &str| {
            let mut fields = line.split('\t').skip(1);
            let (user, token) = (fields.next()?.parse().ok()?, fields.next()?.to_owned());
            Some(Person { user, token, pass: None })
        };
        printed.lines().map(|line| person(line).context("a line of `token` cannot be read")).collect()
    }

    async fn tool(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).stdout(Stdio::piped()).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "spotter {arguments:?} failed: {}", said.trim());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts the server and answers how long it took to be ready.
    pub(crate) async fn start(&self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let mut command = match self.kind {
            Kind::Spotter => self.command(&["serve"]),
            Kind::Bare => self.yardstick(Command::new(&self.program)),
            Kind::SocketIo => {
                let mut node = Command::new("node");
                node.arg(self.program.join("server.mjs"));
                self.yardstick(node)
            }
        };
        if let Some(log) = &self.log {
            let log = File::options().create(true).append(true).open(log)?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        let child = command.spawn().with_context(|| format!("cannot start {}", self.kind.name()))?;
        *self.child() = Some(child);
        while !is_ready(self.port).await {
            if self.has_ended() {
                *self.child() = None;
                bail!("the server ended before it was ready{}", self.last_words());
            }
            ensure!(begun.elapsed() < READY_WITHIN, "the server does not become ready{}", self.last_words());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(begun.elapsed())
    }

    /// Asks the server to stop and waits until it has.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        self.signal("TERM").await?;
        let mut child = self.child().take().context("the server does not run")?;
        let Ok(ended) = tokio::time::timeout(STOPPED_WITHIN, child.wait()).await else {
            child.kill().await?;
            bail!("the server does not stop, and was killed{}", self.last_words());
        };
        ensure!(ended?.success(), "the server did not stop well{}", self.last_words());
        Ok(())
    }

    /// Ends the server at once, as a failure of its machine would.
    pub(crate) async fn kill(&self) -> anyhow::Result<()> {
        let mut child = self.child().take().context("the server does not run")?;
        Ok(child.kill().await?)
    }

    /// Stops the server where it is, and lets it go on after a while.
    pub(crate) async fn pause(&self, length: Duration) -> anyhow::Result<()> {
        self.signal("STOP").await?;
        tokio::time::sleep(length).await;
        self.signal("CONT").await
    }

    /// Stops the server, if it runs.
    pub(crate) async fn end(&self) -> anyhow::Result<()> {
        let is_there = self.child().is_some();
        if is_there { self.stop().await } else { Ok(()) }
    }

    /// Removes the database that was made for it. Nobody uses it any more.
    pub(crate) async fn leave_database(&self) -> anyhow::Result<()> {
        match self.postgres.as_ref().zip(self.database.as_ref()) {
            Some((postgres, database)) => postgres.leave(database).await,
            None => Ok(()),
        }
    }

    /// Its PostgreSQL, when the run started that too.
    pub(crate) fn private_postgres(&self) -> Option<&Private> {
        self.postgres.as_ref().and_then(Postgres::private)
    }

    /// The memory the server holds, in KiB.
    pub(crate) fn rss_kib(&self) -> anyhow::Result<f64> {
        host::rss_kib(self.id()?).context("the server's memory cannot be read")
    }

    /// The processor time the server has used, in seconds.
    pub(crate) fn cpu_s(&self) -> anyhow::Result<f64> {
        host::cpu_s(self.id()?).context("the server's processor time cannot be read")
    }

    /// What has been used so far by whoever does the work.
    pub(crate) async fn used(&self) -> anyhow::Result<Used> {
        let (database_s, log_bytes) = match &self.postgres {
            Some(postgres) => (postgres.cpu_s(), Some(postgres.log_bytes().await?)),
            None => (None, None),
        };
        Ok(Used { server_s: self.cpu_s()?, database_s, log_bytes })
    }

    /// The processor time that its PostgreSQL has used, in seconds, where it can be read.
    pub(crate) fn database_cpu_s(&self) -> Option<f64> {
        self.postgres.as_ref().and_then(Postgres::cpu_s)
    }

    /// Where what it said is kept, and the end of it; nothing where it said nothing or that is not kept.
    fn last_words(&self) -> String {
        let Some(log) = &self.log else { return String::new() };
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<_> = said.lines().collect();
        let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
        let last: String = last.iter().map(|line| format!("\n  {line}")).collect();
        if last.is_empty() { last } else { format!("; {} ends with{last}", log.display()) }
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.child().as_ref().and_then(Child::id).context("the server does not run")
    }

    fn has_ended(&self) -> bool {
        self.child().as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    async fn signal(&self, name: &str) -> anyhow::Result<()> {
        let id = self.id()?.to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().await?;
        ensure!(sent.success(), "the server cannot be sent {name}");
        Ok(())
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `command` as what a server without settings needs to know.
    fn yardstick(&self, mut command: Command) -> Command {
        command
            .env("YARDSTICK_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("YARDSTICK_DATABASE", self.database.as_deref().unwrap_or_default())
            .kill_on_drop(true);
        command
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("SPOTTER_DATA_DIR", self.folder.path().join("data"))
            .env("SPOTTER_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("SPOTTER_ADMIN_LISTEN", format!("127.0.0.1:{}", self.admin_port))
            .env("SPOTTER_DATABASE", self.database.as_deref().unwrap_or_default())
            .env("SPOTTER_LOG__FILTER", "warn")
            .env("SPOTTER_AUTH__ACCESS_TTL_S", "3600")
            .env("SPOTTER_ENGINE__IDLE_S", self.rests_after.as_secs().to_string())
            .env("SPOTTER_SOCKET__COMMANDS_PER_S", "10000")
            .env("SPOTTER_SOCKET__COMMANDS_BURST", "10000")
            .env("SPOTTER_SOCKET__SUBSCRIPTIONS", "10000")
            .kill_on_drop(true);
        match &self.redis {
            Some(redis) => command.env("SPOTTER_CLUSTER__REDIS", redis),
            None => command.env_remove("SPOTTER_CLUSTER__REDIS"),
        };
        command
    }
}

async fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = Vec::new();
    stream.write_all(request).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200")
}

/// A port nobody listens on and that was given to nobody yet, below those that the system gives to connections as they
/// come. It is taken a moment later; another process may be quicker, once in a blue moon.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok() && given.insert(*port);
    let mut tried = std::iter::repeat_with(|| rand::random_range(10_000..32_000)).take(1_000);
    tried.find(is_free).context("no port is free on 127.0.0.1")
}
