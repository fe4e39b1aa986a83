//! A private PostgreSQL: data folder, port and socket of its own, reached over loopback only.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::disallowed_methods, reason = "a server is waited for where nothing else runs")]

#[allow(clippy::duplicate_mod, reason = "a test takes the parts it needs")]
mod keeper;
#[allow(clippy::duplicate_mod, reason = "a test takes the parts it needs")]
mod port;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use keeper::Keeper;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// `initdb` and the server refuse root; run by root, they run as this user, whom Debian's package makes.
const USER: &str = "postgres";
/// Small, and as durable as it is delivered.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("shared_buffers", "16MB"),
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("log_min_messages", "warning"),
];

/// A PostgreSQL server and where it keeps its data.
pub struct Postgres {
    folder: TempDir,
    data: PathBuf,
    port: u16,
    settings: Vec<(String, String)>,
    keeper: Option<Keeper>,
}

/// How a server is asked to end.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// Ends the connections, then writes everything out.
    Fast,
    /// Ends all processes at once; the next start replays the log.
    Immediate,
}

impl Postgres {
    /// The server that the tests of a program share, each with a database of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[("max_connections", "300")]))
    }

    /// A server of one's own, with further settings.
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let folder = private_folder();
        let data = folder.path().join("data");
        Self::start_in(folder, data, &[], settings)
    }

    /// A server to measure, as it is once it has run for a while: it writes over its old log files. A new one makes each
    /// anew, while a commit waits.
    pub async fn start_run_in() -> Self {
        let kept = ("min_wal_size", "2GB");
        let postgres = Self::start(&[("shared_buffers", "256MB"), kept, ("max_wal_size", "4GB")]);
        let mut connection = connect(&postgres.url()).await;
        for _file in 0..128 {
            let next = "SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal()";
            connection.execute(next).await.unwrap();
        }
        connection.execute("CHECKPOINT").await.unwrap();
        connection.close().await.unwrap();
        postgres
    }

    /// A server whose data and whose write-ahead log are on disks of their own, which must outlive it.
    pub fn start_on(data: &Path, log: &Path, settings: &[(&str, &str)]) -> Self {
        give_away(data);
        give_away(log);
        // Files of the log are 1 MB each here: a small disk holds some.
        let options = ["--wal-segsize=1".to_owned(), format!("--waldir={}", log.join("log").display())];
        Self::start_in(private_folder(), data.join("data"), &options, settings)
    }

    /// A server that is reached over TCP by TLS only, with a certificate and its key in PEM.
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        let folder = private_folder();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            // The server takes no key that others may read.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            give_away(&path);
            path.display().to_string()
        };
        let settings = [
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", file("certificate.pem", certificate)),
            ("ssl_key_file", file("key.pem", key)),
            ("hba_file", file("hba.conf", "hostssl all all 127.0.0.1/32 trust\n")),
        ];
        let data = folder.path().join("data");
        Self::start_in(folder, data, &[], &settings.each_ref().map(|(name, value)| (*name, value.as_str())))
    }

    fn start_in(folder: TempDir, data: PathBuf, options: &[String], settings: &[(&str, &str)]) -> Self {
        let mut initdb = as_server(&programs().join("initdb"));
        initdb.args(["--no-sync", "--auth=trust", "--username=spotter", "--encoding=UTF8", "--locale=C"]);
        let made = initdb.args(options).arg("--pgdata").arg(&data).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = SETTINGS.iter().chain(settings);
        let settings = settings.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let mut postgres = Self { folder, data, port: port::free(), settings, keeper: None };
        postgres.run();
        postgres
    }

    /// The address of its first database.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://spotter@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Makes an empty database and answers its address.
    pub async fn new_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut connection = connect(&self.url()).await;
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        connection.close().await.unwrap();
        self.url_of(&name)
    }

    /// Starts the server on its data and its port, and waits until it answers. Does nothing when it runs.
    pub fn run(&mut self) {
        if self.keeper.is_some() {
            return;
        }
        let folder = self.folder.path();
        let mut arguments = vec!["-D".to_owned(), self.data.display().to_string()];
        arguments.extend(["-p".to_owned(), self.port.to_string()]);
        let sockets = ("unix_socket_directories".to_owned(), folder.display().to_string());
        for (name, value) in self.settings.iter().chain([&sockets]) {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let keeper = Keeper::start(folder, other_user(), &programs().join("postgres"), &arguments);
        keeper.wait_until(folder, || self.is_ready(keeper.pid()), "PostgreSQL starts");
        self.keeper = Some(keeper);
    }

    /// Whether the server of that process takes connections; the file says so in its eighth line.
    fn is_ready(&self, postmaster: u32) -> bool {
        let state = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = state.lines();
        let written_by = lines.next().and_then(|line| line.trim().parse().ok());
        written_by == Some(postmaster) && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    }

    /// Whether the server's first process has ended, by itself or otherwise.
    pub fn has_ended(&self) -> bool {
        self.running().has_ended()
    }

    /// What the server wrote about itself.
    pub fn log(&self) -> String {
        keeper::log(self.folder.path())
    }

    fn running(&self) -> &Keeper {
        self.keeper.as_ref().expect("the server runs")
    }

    /// All of its processes, the first one first.
    pub fn processes(&self) -> Vec<u32> {
        let postmaster = self.running().pid();
        let all =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let children =
            all.filter(|pid| keeper::state_and_parent(*pid).is_some_and(|(_, parent)| parent == postmaster));
        std::iter::once(postmaster).chain(children).collect()
    }

    /// Ends all of its processes at once, as a power cut would.
    pub fn kill(&mut self) {
        // Stopped first, so that it makes no process that is not in the list.
        signal("STOP", &[self.running().pid()]);
        signal("KILL", &self.processes());
        self.end("KILL");
    }

    /// Stops all of its processes where they are.
    pub fn stop_processes(&self) {
        signal("STOP", &[self.running().pid()]);
        signal("STOP", &self.processes());
    }

    /// Lets stopped processes go on.
    pub fn continue_processes(&self) {
        signal("CONT", &self.processes());
    }

    /// Ends the server in the way named and starts it again.
    pub fn restart(&mut self, ending: Ending) {
        self.end(match ending {
            Ending::Fast => "INT",
            Ending::Immediate => "QUIT",
        });
        self.run();
    }

    /// Starts the server if it has ended by itself.
    pub fn run_if_ended(&mut self) {
        if self.has_ended() {
            self.end("QUIT");
            self.run();
        }
    }

    fn end(&mut self, signal: &str) {
        if let Some(keeper) = self.keeper.take() {
            keeper.end(signal);
        }
    }
}

impl Postgres {
    /// Keeps a copy of all that the server has, as a replica would that falls behind from now on.
    pub fn remember(&mut self) {
        self.end("INT");
        let copied = Command::new("cp").arg("-a").arg(&self.data).arg(self.kept()).status().unwrap();
        assert!(copied.success());
        self.run();
    }

    /// Puts the copy in the place of the server, which loses all that came after it: promoted, as a replica would be,
    /// or as it is, as a restored disk would be.
    pub fn go_back(&mut self, promoted: bool) {
        self.end("QUIT");
        fs::remove_dir_all(&self.data).unwrap();
        fs::rename(self.kept(), &self.data).unwrap();
        if promoted {
            let signal = self.data.join("recovery.signal");
            fs::write(&signal, "").unwrap();
            give_away(&signal);
            self.settings.push(("restore_command".to_owned(), "false".to_owned()));
        }
        self.run();
    }

    fn kept(&self) -> PathBuf {
        self.folder.path().join("kept")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end("QUIT");
    }
}

/// Opens one connection.
pub async fn connect(url: &str) -> PgConnection {
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    options.connect().await.unwrap()
}

/// Sends a signal to processes; those that have ended meanwhile do not mind.
pub fn signal(name: &str, processes: &[u32]) {
    let mut command = Command::new("kill");
    command.arg(format!("-{name}")).args(processes.iter().map(u32::to_string));
    command.stderr(Stdio::null()).status().unwrap();
}

/// The folder of the server's programs.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| folder_of(&["initdb", "postgres"]))
}

/// The folder that has all of these programs: on the PATH, or else Debian's newest.
fn folder_of(names: &[&str]) -> PathBuf {
    let on_path: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut debian: Vec<_> = debian.map(|entry| entry.path()).collect();
    debian.sort_by_key(|path| std::cmp::Reverse(version(path)));
    let debian = debian.into_iter().map(|path| path.join("bin"));
    let mut folders = on_path.into_iter().chain(debian);
    folders
        .find(|folder| names.iter().all(|name| folder.join(name).is_file()))
        .expect("PostgreSQL's server is installed (scripts/test-deps.sh does it)")
}

/// One of PostgreSQL's other programs.
pub fn program(name: &str) -> PathBuf {
    folder_of(&[name]).join(name)
}

/// The user and the group a server of this process runs as, when not its own.
fn other_user() -> Option<(u32, u32)> {
    static USER_AND_GROUP: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    let id = |arguments: &[&str]| -> u32 {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().expect("the server's user exists")
    };
    *USER_AND_GROUP.get_or_init(|| (id(&["-u"]) == 0).then(|| (id(&["-u", USER]), id(&["-g", USER]))))
}

fn as_server(program: &Path) -> Command {
    let mut command = Command::new(program);
    // The folder it is begun in may not be one that it can read.
    command.current_dir("/");
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Gives a folder to the user the server runs as.
fn give_away(folder: &Path) {
    if let Some((user, group)) = other_user() {
        chown(folder, Some(user), Some(group)).unwrap();
    }
}

fn private_folder() -> TempDir {
    let folder = TempDir::with_prefix("spotter-postgres-").unwrap();
    give_away(folder.path());
    folder
}
