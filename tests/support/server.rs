//! The real binary, started on a free loopback port with a data directory of its own.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

#[allow(clippy::duplicate_mod, reason = "a test takes the parts it needs")]
mod port;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use spotter_protocol::UserId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

const SPOTTER: &str = env!("CARGO_BIN_EXE_spotter");
/// How long a start may take before the test gives up.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// A server process and where it keeps its data. Killed when dropped.
pub struct Server {
    pub data: PathBuf,
    pub port: u16,
    admin_port: u16,
    variables: Vec<(String, String)>,
    /// Where the running server says what it has to say, when that is read.
    says: Option<File>,
    child: Option<Child>,
}

/// Somebody with a token.
#[derive(Clone, Debug)]
pub struct Person {
    pub email: String,
    pub user: UserId,
    pub token: String,
}

impl Server {
    /// Prepares a server that is not started yet; `variables` go into its environment.
    pub fn prepare(data: &Path, variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Self {
            data: data.to_owned(),
            port: port::free(),
            admin_port: port::free(),
            variables,
            says: None,
            child: None,
        }
    }

    /// Has the server write to a file what it says on standard error.
    pub fn write_down(&mut self, path: &Path) {
        self.says = Some(File::create(path).unwrap());
    }

    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn admin(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin_port)
    }

    pub fn socket(&self) -> String {
        format!("ws://127.0.0.1:{}/v1/socket", self.port)
    }

    /// Runs one of the operator's commands to its end and answers what it printed.
    pub async fn tool(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "spotter {arguments:?} failed: {}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs one of the operator's commands that fails; answers what it said on standard error.
    pub async fn tool_in_vain(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "spotter {arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Makes a gym of `athletes` athletes, all linked to one coach, and answers the athletes and the coach.
    pub async fn populate(&self, gym: &str, athletes: usize) -> (Vec<Person>, Person) {
        self.tool(&["gym", "add", "--slug", gym, "--name", "Test Gym"], "").await;
        let rows = (0..athletes).map(|n| format!("a{n}@{gym}.example,Athlete {n},athlete\n"));
        let users: String = ["email,name,role\n".to_owned(), format!("c@{gym}.example,Coach,coach\n")]
            .into_iter()
            .chain(rows)
            .collect();
        let links = (0..athletes).map(|n| format!("c@{gym}.example,a{n}@{gym}.example\n"));
        let links: String = ["coach,athlete\n".to_owned()].into_iter().chain(links).collect();
        let (users_file, links_file) = (self.data.join("users.csv"), self.data.join("links.csv"));
        std::fs::write(&users_file, users).unwrap();
        std::fs::write(&links_file, links).unwrap();
        self.tool(&["user", "add", "--gym", gym, "--from", users_file.to_str().unwrap()], "").await;
        self.tool(&["link", "add", "--gym", gym, "--from", links_file.to_str().unwrap()], "").await;
        let coach = self.people(gym, "coach").await.remove(0);
        (self.people(gym, "athlete").await, coach)
    }

    /// Everyone of a role in a gym, by e-mail.
    pub async fn people(&self, gym: &str, role: &str) -> Vec<Person> {
        let printed = self.tool(&["token", "--gym", gym, "--role", role], "").await;
        let person = |line: &str| {
            let mut fields = line.split('\t').map(str::to_owned);
            let mut field = || fields.next().expect("e-mail, user and token");
            Person { email: field(), user: field().parse().expect("a user id"), token: field() }
        };
        printed.lines().map(person).collect()
    }

    /// The id of the running process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("the server runs")
    }

    /// The sum of a metric over its labels; 0 when nothing was counted.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.get(self.admin_port, "/metrics").await.expect("the metrics are served");
        let value = |line: &str| {
            let (labelled, value) = line.rsplit_once(' ')?;
            let (found, _) = labelled.split_once('{').unwrap_or((labelled, ""));
            (found == name).then(|| value.parse::<f64>().expect("a number"))
        };
        text.lines().filter_map(value).sum()
    }

    /// Starts the server and waits until it is ready.
    pub async fn start(&mut self) {
        self.begin();
        let ready = async {
            while !self.is_ready().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, ready).await.expect("the server becomes ready");
    }

    /// Starts a server that cannot serve; answers its exit code.
    pub async fn start_in_vain(&mut self) -> Option<i32> {
        self.begin();
        tokio::time::timeout(READY_WITHIN, self.ended()).await.expect("the server ends by itself")
    }

    fn begin(&mut self) {
        let mut command = self.command(&["serve"]);
        if let Some(file) = &self.says {
            command.stderr(file.try_clone().unwrap());
        }
        self.child = Some(command.spawn().unwrap());
    }

    async fn is_ready(&self) -> bool {
        self.get(self.port, "/readyz").await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    async fn get(&self, port: u16, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Waits until the process ends by itself, and answers its exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("the server runs");
        child.wait().await.unwrap().code()
    }

    /// Kills the process as a power cut would, and waits until it is gone.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().await.unwrap();
    }

    /// Asks the process to stop, and answers its exit code.
    pub async fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take().expect("the server runs");
        let id = child.id().expect("the server runs").to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        child.wait().await.unwrap().code()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SPOTTER);
        command
            .args(arguments)
            .env("SPOTTER_DATA_DIR", &self.data)
            .env("SPOTTER_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("SPOTTER_ADMIN_LISTEN", format!("127.0.0.1:{}", self.admin_port))
            .env("SPOTTER_LOG__FILTER", "warn")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true);
        command
    }
}
