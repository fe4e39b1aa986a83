//! The Redis through which nodes speak to each other: one that runs already, or one of the run's own, found on this
//! machine, with folder and port of its own, on loopback. It keeps nothing on disk, and ends with the run, also when the
//! run is killed.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::keeper::{Keeper, until_ready};
use crate::server::free_port;

const PROGRAM: &str = "redis-server";

/// A server of Redis.
#[derive(Debug)]
pub(crate) enum Redis {
    /// Where it runs already.
    Running(String),
    Private(Box<Private>),
}

impl Redis {
    /// Where it is: `redis://host:port`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Running(url) => url.clone(),
            Self::Private(private) => format!("redis://127.0.0.1:{}", private.port),
        }
    }

    /// The server itself, when it was started here.
    pub(crate) fn private(&self) -> Option<&Private> {
        match self {
            Self::Running(_) => None,
            Self::Private(private) => Some(private),
        }
    }
}

/// One that was started here.
#[derive(Debug)]
pub(crate) struct Private {
    folder: TempDir,
    program: PathBuf,
    port: u16,
    keeper: Mutex<Option<Keeper>>,
}

/// How it is ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// It is asked to.
    Asked,
    Killed,
}

impl Private {
    /// Finds Redis on this machine and starts a server of it.
    ///
    /// # Errors
    /// When none is installed, or it does not start.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let folder = TempDir::with_prefix("spotter-load-redis-")?;
        let private = Self { folder, program: program()?, port: free_port()?, keeper: Mutex::default() };
        private.run().await?;
        Ok(private)
    }

    /// Ends it in the way named and starts it again. It has forgotten everything.
    ///
    /// # Errors
    /// When it does not start again.
    pub(crate) async fn restart(&self, ending: Ending) -> anyhow::Result<()> {
        let keeper = self.keeper().take();
        if let Some(keeper) = keeper {
            let signal = match ending {
                Ending::Asked => "TERM",
                Ending::Killed => "KILL",
            };
            keeper.end(signal).await?;
        }
        self.run().await
    }

    async fn run(&self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let (port, place) = (self.port.to_string(), folder.display().to_string());
        let arguments = ["--bind", "127.0.0.1", "--port", &port, "--dir", &place];
        let keeps_nothing = ["--save", "", "--appendonly", "no"];
        let arguments: Vec<_> = arguments.into_iter().chain(keeps_nothing).map(str::to_owned).collect();
        let keeper = Keeper::start(folder, None, &self.program, &arguments).await?;
        let id = keeper.id();
        *self.keeper() = Some(keeper);
        until_ready(id, folder, "Redis", async || answers(self.port).await.unwrap_or(false)).await
    }

    fn keeper(&self) -> MutexGuard<'_, Option<Keeper>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answers(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    Ok(answer == *b"+PONG")
}

/// The server's program on the PATH.
fn program() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM));
    programs.find(|program| program.is_file()).with_context(|| {
        format!(
            "no Redis on this machine: {PROGRAM} is not on the PATH. Install it (Debian: apt-get install \
             redis-server), or name one that runs: --redis redis://host:port"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_private_one_comes_back_on_its_port_and_goes_with_its_folder() {
        let private = Private::start().await.unwrap();
        let (port, folder) = (private.port, private.folder.path().to_owned());
        for ending in [Ending::Asked, Ending::Killed] {
            private.restart(ending).await.unwrap();
            assert!(answers(port).await.unwrap());
        }
        drop(private);
        let gone = async {
            while answers(port).await.is_ok() || folder.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    }
}
