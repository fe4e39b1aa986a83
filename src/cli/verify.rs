//! `spotter verify`.

use std::io::{Write, stdout};
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::config::Config;
use crate::node;
use crate::store::Store;
use crate::verify::{self, Counts};

/// How often somebody who waits is told how far it is; nothing is said before.
const TOLD_EVERY: Duration = Duration::from_secs(3);

pub(super) const HELP: &str = "\
Examples:
  spotter verify --data-dir /var/lib/spotter
  spotter verify --database postgres://spotter@db.example/spotter

Each finding is a line on standard output: entity, stream, version, what is wrong; tabs between, - for what does not
apply. The first 100 are shown and the others counted. The exit code is 0 when there is none, else 1.";

pub(super) async fn verify(config: &Config) -> anyhow::Result<()> {
    let database = node::database(config)?;
    let pool = Store::reading(&database).await?;
    let begun = Instant::now();
    let mut told = begun;
    let report = verify::run(&pool, |Counts { entities, events, .. }| {
        if told.elapsed() >= TOLD_EVERY {
            eprintln!("{entities} entities and {events} events checked");
            told = Instant::now();
        }
    });
    let report = report.await?;
    pool.close().await;
    let mut out = stdout().lock();
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    let Counts { entities, events, sets, messages } = report.counts;
    let checked = format!(
        "{entities} entities, {events} events, {sets} sets and {messages} messages checked in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    match report.found {
        0 => writeln!(out, "clean: {checked}")?,
        1 => bail!("one finding in {database}; {checked}"),
        found => bail!("{found} findings in {database}; {checked}"),
    }
    Ok(())
}
