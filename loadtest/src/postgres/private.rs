//! A PostgreSQL server of the run's own: found on this machine, with folder and port of its own, on loopback, as durable
//! as it is delivered. It ends with the run, also when the run is killed.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use crate::keeper::{Keeper, until_ready};
use crate::server::free_port;

/// Who owns its databases.
const USER: &str = "spotter";
/// The server refuses root; started by root it runs as this user, whom its packages make.
const SYSTEM_USER: &str = "postgres";
/// Programs that are needed, of one version.
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "psql"];
const SETTINGS: [&str; 4] =
    ["listen_addresses=127.0.0.1", "fsync=on", "synchronous_commit=on", "log_min_messages=warning"];
/// Each node may have as many as the server is delivered with.
const CONNECTIONS_OF_NODE: u32 = 100;

/// The server and where it keeps its data.
#[derive(Debug)]
pub(crate) struct Private {
    folder: TempDir,
    programs: PathBuf,
    /// Whom it runs as, when not as this process does: user and group.
    system_user: Option<(u32, u32)>,
    /// How many nodes use it.
    nodes: u16,
    port: u16,
    keeper: Mutex<Option<Keeper>>,
}

/// How it is ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It ends its connections, then writes everything out.
    Fast,
    /// It ends at once; the next start replays the log.
    Immediate,
}

impl Private {
    /// Makes and starts a server.
    ///
    /// # Errors
    /// When none is installed, or it does not start.
    pub(super) async fn start(nodes: u16) -> anyhow::Result<Self> {
        let programs = programs()?;
        let system_user = system_user().await?;
        let folder = TempDir::with_prefix("spotter-load-postgres-")?;
        if let Some((user, group)) = system_user {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let (port, keeper) = (free_port()?, Mutex::default());
        let private = Self { folder, programs, system_user, nodes, port, keeper };
        let mut initdb = private.command(&private.program("initdb"));
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER]);
        let made =
            initdb.arg("--pgdata").arg(private.data()).output().await.context("initdb cannot be run")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr).trim());
        private.run().await?;
        Ok(private)
    }

    /// Its address without a database.
    pub(super) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}", self.port)
    }

    /// One of PostgreSQL's programs, of this server's version.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Its first process; none while it does not run.
    pub(super) fn postmaster(&self) -> Option<u32> {
        self.keeper().as_ref().map(Keeper::id)
    }

    /// Ends it in the way named and starts it again.
    ///
    /// # Errors
    /// When it does not start again.
    pub(crate) async fn restart(&self, ending: Ending) -> anyhow::Result<()> {
        self.end(ending).await?;
        self.run().await
    }

    /// Ends it. It does not run afterwards.
    pub(super) async fn end(&self, ending: Ending) -> anyhow::Result<()> {
        let Some(keeper) = self.keeper().take() else { return Ok(()) };
        let signal = match ending {
            Ending::Fast => "INT",
            Ending::Immediate => "QUIT",
        };
        keeper.end(signal).await
    }

    async fn run(&self) -> anyhow::Result<()> {
        let (folder, data) = (self.folder.path(), self.data());
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        arguments.extend(["-p".to_owned(), self.port.to_string()]);
        let sockets = format!("unix_socket_directories={}", folder.display());
        let connections = format!("max_connections={}", CONNECTIONS_OF_NODE * u32::from(self.nodes));
        let settings = SETTINGS.into_iter().chain([sockets.as_str(), &connections]);
        arguments.extend(settings.flat_map(|setting| ["-c".to_owned(), setting.to_owned()]));
        let keeper = Keeper::start(folder, self.system_user, &self.program("postgres"), &arguments).await?;
        let postmaster = keeper.id();
        *self.keeper() = Some(keeper);
        until_ready(postmaster, folder, "PostgreSQL", async || self.is_ready(postmaster)).await
    }

    /// Whether it takes connections: its file says so in the eighth line.
    fn is_ready(&self, postmaster: u32) -> bool {
        let state = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let mut lines = state.lines().map(str::trim);
        lines.next() == Some(&postmaster.to_string()) && lines.nth(6) == Some("ready")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // The folder this process runs in may not be one that the server can read.
        command.current_dir("/");
        if let Some((user, group)) = self.system_user {
            command.uid(user).gid(group);
        }
        command
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Option<Keeper>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The folder of the server's programs: on the PATH, or else the newest of Debian's.
fn programs() -> anyhow::Result<PathBuf> {
    let on_path: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = versions.map(|entry| entry.path()).collect();
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    versions.sort_by_key(|path| std::cmp::Reverse(version(path)));
    let mut folders = on_path.into_iter().chain(versions.into_iter().map(|path| path.join("bin")));
    folders.find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file())).with_context(|| {
        format!(
            "no PostgreSQL server on this machine: {} are neither in one folder of the PATH nor in \
             /usr/lib/postgresql/*/bin. Install it (Debian: apt-get install postgresql), or name a server that runs: \
             --postgres postgres://user@host:port",
            PROGRAMS.join(", ")
        )
    })
}

/// Whom a server of this process runs as, when not as the process itself.
async fn system_user() -> anyhow::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let id = async |which| {
        let output =
            Command::new("id").args([which, SYSTEM_USER]).output().await.context("id cannot be run")?;
        let id = String::from_utf8_lossy(&output.stdout).trim().parse::<u32>();
        id.with_context(|| format!("PostgreSQL does not run as root, and there is no user {SYSTEM_USER}"))
    };
    anyhow::Ok(Some((id("-u").await?, id("-g").await?)))
}
