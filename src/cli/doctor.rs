//! `spotter doctor`.

use std::io::{Write, stdout};

use anyhow::bail;

use crate::config::Config;
use crate::doctor::{self, Level};

pub(super) const HELP: &str = "\
Examples:
  spotter doctor --data-dir /var/lib/spotter
  spotter doctor --database postgres://spotter@db.example/spotter

Each line says ok, warn or FAIL, what was looked at, what was found, and what to do. The exit code is 0 when nothing
fails, else 1. It measures commits in a table spotter_doctor, or in a file beside the database, and takes that away
again; nothing else is changed, and a node may be running.";

pub(super) async fn doctor(config: &Config) -> anyhow::Result<()> {
    let lines = doctor::examine(config).await?;
    let mut out = stdout().lock();
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    match lines.iter().filter(|line| line.level == Level::Fail).count() {
        0 => Ok(()),
        1 => bail!("one thing has to be put right first"),
        failed => bail!("{failed} things have to be put right first"),
    }
}
