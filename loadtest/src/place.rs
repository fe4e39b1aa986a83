//! Which server a command loads: one that is started for it, or one that runs already.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::admin::Who;
use crate::idle::ensure_files;
use crate::postgres::Postgres;
use crate::run::NotRun;
use crate::scenario::Scenario;
use crate::target::{NoTarget, Running, Target, permitted};

/// What a server that is started says, in the folder of the run.
pub(crate) const SERVER_LOG: &str = "server.log";

/// Which server is loaded.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Start a server for the run, fill it and end it
    #[arg(long, required_unless_present = "target", conflicts_with = "target")]
    pub(crate) self_contained: bool,
    /// The program of that server; by default the one beside this program
    #[arg(long, value_parser = crate::program, requires = "self_contained")]
    server: Option<PathBuf>,
    /// Let that server use a PostgreSQL: this one, as a user who may make databases (postgres://user@host:port), or
    /// without an address one that is found on this machine and started for the run
    #[arg(long, value_name = "URL", num_args = 0..=1, value_parser = postgres_url, requires = "self_contained")]
    pub(crate) postgres: Option<Option<String>>,
    /// A server that runs already: ws://host:port
    #[arg(long, requires = "who")]
    target: Option<String>,
    #[command(flatten)]
    who: Who,
    /// Where that server says how it is: http://host:port/metrics; by default /metrics of --admin
    #[arg(long, requires = "target")]
    metrics: Option<String>,
    /// Load this host although it is not this machine: it is yours
    #[arg(long, value_name = "HOST", requires = "target")]
    i_own: Option<String>,
}

impl Place {
    /// The server with the scenario's people, and the folder of what will be left. A server that is started lets sessions
    /// rest after that time, or not at all.
    ///
    /// # Errors
    /// See [`NotRun`].
    pub(crate) async fn open(
        &self,
        scenario: &Scenario,
        folder: &Path,
        rests_after: Option<Duration>,
    ) -> Result<Target, NotRun> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        ensure_files((scenario.athletes() + scenario.readers()) as usize).map_err(NotRun::Called)?;
        let log = folder.join(SERVER_LOG);
        // That of an earlier run, if there is one.
        let _ = std::fs::remove_file(&log);
        target(self, scenario, rests_after, log).await
    }
}

fn postgres_url(url: &str) -> Result<String, String> {
    let is_one = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    is_one.then(|| url.to_owned()).ok_or_else(|| "an address begins with postgres://".to_owned())
}

async fn target(
    place: &Place,
    scenario: &Scenario,
    rests_after: Option<Duration>,
    log: PathBuf,
) -> Result<Target, NotRun> {
    if let Some(url) = &place.target {
        return Ok(joined(place, url, scenario).await?);
    }
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("spotter"));
    let program = place.server.clone().or_else(beside).filter(|program| program.is_file());
    let program = program
        .ok_or_else(|| NotRun::Called(anyhow!("no server beside this program: name it with --server")))?;
    let postgres = match &place.postgres {
        Some(Some(url)) => Some(Postgres::running(url, None)),
        Some(None) => Some(Postgres::start().await?),
        None => None,
    };
    Ok(Target::start(program, postgres, scenario, rests_after, log).await?)
}

/// A server that runs already, with people who were named or who are made for the run.
async fn joined(place: &Place, url: &str, scenario: &Scenario) -> Result<Target, NoTarget> {
    let allowed = place.i_own.as_deref();
    // Nobody is made for a target that may not be loaded.
    permitted(url, allowed)?;
    let (made, people) = place.who.come(scenario, allowed).await?;
    let of_admin = place.who.metrics()?;
    let metrics = place.metrics.as_deref().or(of_admin.as_deref());
    let running = Running { url, allowed, metrics, people: &people, stranger: None };
    // What was made goes when not everybody can sign in.
    Ok(Target { made, ..Target::join(&running, scenario).await? })
}
