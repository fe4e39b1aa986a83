//! Which server a command loads: one that is started for it, or one that runs already.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::admin::Who;
use crate::cluster::{Cluster, NODES_MAX, all_logs};
use crate::fault::Reach;
use crate::idle::ensure_files;
use crate::postgres::Postgres;
use crate::redis::{self, Redis};
use crate::run::NotRun;
use crate::scenario::Scenario;
use crate::target::{NoTarget, Running, Target, permitted};

/// Which server is loaded.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Start a server for the run, fill it and end it
    #[arg(long, required_unless_present = "target", conflicts_with = "target")]
    self_contained: bool,
    /// The program of that server; by default the one beside this program
    #[arg(long, value_parser = crate::program, requires = "self_contained")]
    server: Option<PathBuf>,
    /// Let that server use a PostgreSQL: this one, as a user who may make databases (postgres://user@host:port), or
    /// without an address one that is found on this machine and started for the run
    #[arg(long, value_name = "URL", num_args = 0..=1, value_parser = postgres_url, requires = "self_contained")]
    postgres: Option<Option<String>>,
    /// How many nodes serve together, on one PostgreSQL: several need --postgres
    #[arg(long, value_name = "COUNT", default_value_t = 1, requires = "self_contained", conflicts_with = "target",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(NODES_MAX)))]
    nodes: u16,
    /// Let the nodes speak to each other through this Redis (redis://host:port), or without an address through one that is
    /// found on this machine and started for the run. Several nodes get one without being told
    #[arg(long, value_name = "URL", num_args = 0..=1, value_parser = redis_url, requires = "postgres",
        conflicts_with = "target")]
    redis: Option<Option<String>>,
    /// A server that runs already: ws://host:port. Several times for the nodes of one
    #[arg(long, value_name = "URL", requires = "who")]
    target: Vec<String>,
    #[command(flatten)]
    who: Who,
    /// Where that server says how it is: http://host:port/metrics; by default /metrics of --admin. Several times for its
    /// nodes
    #[arg(long, value_name = "URL", requires = "target")]
    metrics: Vec<String>,
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
        // Those of an earlier run, if there are any.
        all_logs(folder).for_each(|log| _ = std::fs::remove_file(log));
        if !self.target.is_empty() {
            return Ok(joined(self, scenario).await?);
        }
        Ok(Target::start(self.cluster().await?, scenario, rests_after, folder).await?)
    }

    /// What a run here can break besides its sockets; with that many readers.
    pub(crate) fn reach(&self, readers: u32) -> Reach {
        Reach {
            readers: readers > 0,
            nodes: if self.self_contained { self.nodes.into() } else { 0 },
            postgres: matches!(self.postgres, Some(None)),
            redis: self.starts_redis(),
        }
    }

    /// Whether a Redis is started: asked for, or needed by several nodes.
    const fn starts_redis(&self) -> bool {
        matches!(self.redis, Some(None)) || (self.redis.is_none() && self.nodes > 1)
    }

    /// The server that is started for the run, and what it stands on.
    async fn cluster(&self) -> Result<Cluster, NotRun> {
        if self.nodes > 1 && self.postgres.is_none() {
            return Err(NotRun::Called(anyhow!(
                "--nodes {}: they share one PostgreSQL: --postgres",
                self.nodes
            )));
        }
        let beside = || Some(std::env::current_exe().ok()?.parent()?.join("spotter"));
        let program = self.server.clone().or_else(beside).filter(|program| program.is_file());
        let program = program
            .ok_or_else(|| NotRun::Called(anyhow!("no server beside this program: name it with --server")))?;
        let postgres = match &self.postgres {
            Some(Some(url)) => Some(Postgres::running(url, None)),
            Some(None) => Some(Postgres::start(self.nodes).await?),
            None => None,
        };
        let redis = match &self.redis {
            Some(Some(url)) => Some(Redis::Running(url.clone())),
            Some(None) | None if self.starts_redis() => {
                Some(Redis::Private(redis::Private::start().await?.into()))
            }
            Some(None) | None => None,
        };
        Ok(Cluster::prepare(program, self.nodes, postgres, redis).await?)
    }
}

fn postgres_url(url: &str) -> Result<String, String> {
    let is_one = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    is_one.then(|| url.to_owned()).ok_or_else(|| "an address begins with postgres://".to_owned())
}

fn redis_url(url: &str) -> Result<String, String> {
    let is_one = ["redis://", "rediss://"].iter().any(|scheme| url.starts_with(scheme));
    is_one.then(|| url.to_owned()).ok_or_else(|| "an address begins with redis:// or rediss://".to_owned())
}

/// A server that runs already, with people who were named or who are made for the run.
async fn joined(place: &Place, scenario: &Scenario) -> Result<Target, NoTarget> {
    let allowed = place.i_own.as_deref();
    // Nobody is made for a target that may not be loaded.
    for url in &place.target {
        permitted(url, allowed)?;
    }
    let (made, people) = place.who.come(scenario, allowed).await?;
    let metrics = place.who.metrics(&place.metrics)?;
    let running =
        Running { urls: &place.target, allowed, metrics: &metrics, people: &people, stranger: None };
    // What was made goes when not everybody can sign in.
    Ok(Target { made, ..Target::join(&running, scenario).await? })
}
