//! The PostgreSQL server under the server under test: one that runs already, or one that is started for the run.

mod private;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::host;
pub(crate) use private::{Ending, Private};

/// A server on which databases may be made.
#[derive(Clone, Debug)]
pub(crate) struct Postgres {
    /// Its address without a database: `postgres://user@host:port`.
    url: String,
    /// Its first process, when whoever started it says so.
    postmaster: Option<u32>,
    /// It, when it was started here. It ends with the last copy of this.
    private: Option<Arc<Private>>,
}

impl Postgres {
    /// One that runs already.
    pub(crate) fn running(url: &str, postmaster: Option<u32>) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), postmaster, private: None }
    }

    /// Finds PostgreSQL on this machine and starts a server of it, for so many nodes.
    ///
    /// # Errors
    /// When none is installed, or it does not start.
    pub(crate) async fn start(nodes: u16) -> anyhow::Result<Self> {
        let private = Private::start(nodes).await?;
        Ok(Self { url: private.url(), postmaster: None, private: Some(Arc::new(private)) })
    }

    /// The server itself, when it was started here.
    pub(crate) fn private(&self) -> Option<&Private> {
        self.private.as_deref()
    }

    /// Removes a database that was made here, or ends the whole server when that was started here.
    pub(crate) async fn leave(&self, database: &str) -> anyhow::Result<()> {
        match &self.private {
            Some(private) => private.end(Ending::Fast).await,
            None => self.drop_database(database).await,
        }
    }

    /// Makes a database and answers its address.
    pub(crate) async fn new_database(&self) -> anyhow::Result<String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("lt_bench_{}_{number}", std::process::id());
        self.ask(&format!("CREATE DATABASE {name}")).await?;
        Ok(format!("{}/{name}", self.url))
    }

    /// Removes a database by its address.
    async fn drop_database(&self, address: &str) -> anyhow::Result<()> {
        let (_, name) = address.rsplit_once('/').context("an address without a database")?;
        self.ask(&format!("DROP DATABASE {name}")).await?;
        Ok(())
    }

    /// Bytes of write-ahead log written so far.
    pub(crate) async fn log_bytes(&self) -> anyhow::Result<f64> {
        let bytes = self.ask("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").await?;
        bytes.parse().context("no number of bytes")
    }

    async fn ask(&self, statement: &str) -> anyhow::Result<String> {
        let psql = self.private().map_or(PathBuf::from("psql"), |private| private.program("psql"));
        let mut psql = Command::new(psql);
        psql.args([&format!("{}/postgres", self.url), "-X", "-A", "-t", "-q", "-c", statement])
            .stdin(Stdio::null());
        let output = psql.output().await.context("psql cannot be run")?;
        ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Processor time that its processes have used, in seconds.
    pub(crate) fn cpu_s(&self) -> Option<f64> {
        let postmaster = self.private().map_or(self.postmaster, Private::postmaster)?;
        host::family_cpu_s(postmaster)
    }
}
