//! `spotter archive`: entities leave old months of the journal, and the months go, into files or for good. The running
//! node moves and takes away; this process reads the months and writes the files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use async_trait::async_trait;
use clap::Args;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use spotter_protocol::StreamId;
use uuid::Uuid;

use super::operators::Admin;
use crate::archive::{self, Archived, Left, Node, Taken};
use crate::config::Config;
use crate::http::archive::{Leave, TakeAway, Turn};
use crate::node;
use crate::store::{Month, Store};

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
    let ArchiveArgs { before, to, drop: _, admin } = args;
    if let Some(folder) = &to {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let store = Store::open(&node::database(config)?).await?;
    let asked = Asked { admin: &admin, config, by: Uuid::new_v4() };
    let archived = archive::archive(&asked, &store, before, to.as_deref(), |progress| {
        // Whoever does not listen need not.
        let _ = writeln!(std::io::stderr(), "{progress}");
    });
    let Archived { moved, stuck, gone, rows, stay } = archived.await?;
    store.close().await;

    println!("moved {moved} entities, took away {} months", gone.len());
    if to.is_some() {
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

/// The running node.
struct Asked<'a> {
    admin: &'a Admin,
    config: &'a Config,
    by: Uuid,
}

impl Asked<'_> {
    async fn tell(&self, path: &str, body: Value) -> anyhow::Result<reqwest::Response> {
        self.admin.ask(self.config, Method::POST, path, Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, body: Value) -> anyhow::Result<T> {
        let answer = self.tell(path, body).await?;
        answer.json().await.context("the node answers what this build does not understand")
    }
}

#[async_trait]
impl Node for Asked<'_> {
    async fn turn(&self) -> anyhow::Result<()> {
        self.tell("/archive/turn", json!(Turn { by: self.by })).await.map(|_| ())
    }

    async fn leave(&self, before: Month, after: Option<StreamId>) -> anyhow::Result<Left> {
        self.ask("/archive/leave", json!(Leave { by: self.by, before, after })).await
    }

    async fn take_away(&self, month: Month, incarnation: Uuid) -> anyhow::Result<Taken> {
        self.ask("/archive/take-away", json!(TakeAway { by: self.by, month, incarnation })).await
    }

    async fn end(&self) {
        // A node that does not hear it waits a minute.
        let _ = self.tell("/archive/end", json!(Turn { by: self.by })).await;
    }
}
