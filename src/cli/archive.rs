//! `spotter archive`: entities leave old months of the journal, and the months go, into files or for good. The running
//! node moves and takes away; this process reads the months and writes the files.

mod file;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::Method;
use serde_json::json;
use spotter_actors::Journal;
use uuid::Uuid;

use super::operators::Admin;
use crate::config::Config;
use crate::http::archive::{Leave, Left, TakeAway, Taken};
use crate::node;
use crate::store::{Month, OldMonth, Store};

/// How often what was busy is tried again, and how long to wait in between.
const TRIES: u32 = 20;
const WAIT: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spotter archive --before 2026-06 --to /var/backups/spotter
  spotter archive --before 2026-06 --drop

Asks the running node to move everything that is still in those months, sessions, inboxes and rooms whole, to where
nothing is taken away; then each month goes that nothing is left in. What people see stays: sessions, sets, bests and
messages are kept elsewhere. Only what is needed to say how it came about goes.

A file holds a row of the journal a line, as JSON; it is on the disk before anything is taken away. One that is there
already is never written over: journal-2026-05.ndjson is followed by journal-2026-05.2.ndjson, and what an earlier
archive left unfinished is in both together.")]
pub(super) struct ArchiveArgs {
    /// The first month that stays, such as 2026-06
    #[arg(long, value_name = "MONTH")]
    before: Month,
    /// The folder for the files: journal-2026-05.ndjson and so on
    #[arg(long, value_name = "FOLDER", required_unless_present = "drop")]
    to: Option<PathBuf>,
    /// Write no files: what is taken away is gone
    #[arg(long, conflicts_with = "to")]
    drop: bool,
    #[command(flatten)]
    admin: Admin,
}

pub(super) async fn run(args: ArchiveArgs, config: &Config) -> anyhow::Result<()> {
    let asked = Asked { admin: &args.admin, config };
    let store = Store::open(&node::database(config)?).await?;
    let (moved, stuck) = asked.leave(args.before).await?;
    let mut gone = Vec::new();
    let (mut rows, mut stay) = (0, Vec::new());
    for OldMonth { month, residents } in store.months_before(args.before).await? {
        if residents > 0 {
            stay.push((month, residents));
            continue;
        }
        if let Some(folder) = &args.to {
            rows += write(&store, month, folder).await?;
        }
        match asked.take_away(month, store.incarnation()).await? {
            0 => gone.push(month),
            residents => stay.push((month, residents)),
        }
    }
    store.close().await;

    println!("moved {moved} entities, took away {} months", gone.len());
    if args.to.is_some() {
        println!("wrote {rows} rows");
    }
    for (month, residents) in stay {
        println!("{month} stays: {residents} entities are in it");
    }
    if stuck > 0 {
        println!("{stuck} entities cannot move: the node's log says why");
    }
    Ok(())
}

/// Writes the file of a month; answers how many rows it has.
async fn write(store: &Store, month: Month, folder: &Path) -> anyhow::Result<u64> {
    let mut file = file::MonthFile::begin(folder, month)?;
    let mut behind = None;
    loop {
        let rows = store.rows_of(month, behind, file::ROWS_AT_ONCE).await?;
        let Some(last) = rows.last() else { break };
        behind = Some(last.place());
        for row in &rows {
            file.write(row)?;
        }
    }
    let rows = file.rows();
    if let Some(path) = file.finish()? {
        say(&format!("{month}: {rows} rows are in {}", path.display()));
    }
    Ok(rows)
}

/// The running node.
struct Asked<'a> {
    admin: &'a Admin,
    config: &'a Config,
}

impl Asked<'_> {
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: serde_json::Value,
    ) -> anyhow::Result<T> {
        let answer = self.admin.ask(self.config, Method::POST, path, Some(body)).await?;
        answer.json().await.context("the node answers what this build does not understand")
    }

    /// Lets all entities leave the months before one, as many as can; answers how many have and how many cannot.
    async fn leave(&self, before: Month) -> anyhow::Result<(u64, u64)> {
        let mut moved = 0;
        for _ in 0..TRIES {
            let (mut busy, mut stuck, mut after) = (0, 0, None);
            loop {
                let left: Left = self.ask("/archive/leave", json!(Leave { before, after })).await?;
                (moved, busy, stuck) = (moved + left.moved, busy + left.busy, stuck + left.stuck);
                after = left.after;
                if after.is_none() {
                    break;
                }
                say(&format!("moved {moved} entities, {busy} to be tried again, {stuck} cannot"));
            }
            if busy == 0 {
                return Ok((moved, stuck));
            }
            tokio::time::sleep(WAIT).await;
        }
        bail!("some entities change all the time: nothing was taken away, try again later")
    }

    /// Takes a month away; answers how many entities keep it from that.
    async fn take_away(&self, month: Month, incarnation: Uuid) -> anyhow::Result<u64> {
        let mut tries = 0;
        loop {
            match self.ask("/archive/take-away", json!(TakeAway { month, incarnation })).await? {
                Taken::Whole => {
                    say(&format!("{month}: taken away"));
                    return Ok(0);
                }
                Taken::Partly => {}
                Taken::LivedIn { entities } => return Ok(entities),
                Taken::Busy if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(WAIT).await;
                }
                Taken::Busy => bail!("{month} is read by somebody, such as a backup: try again later"),
            }
        }
    }
}

/// Says how far it is.
fn say(what: &str) {
    // Whoever does not listen need not.
    let _ = writeln!(std::io::stderr(), "{what}");
}
