//! Archiving: entities leave old months of the journal, and the months go, into files or for good. There is one order
//! for whoever asks, an operator or the node's own policy: move everybody out, then for each month that nobody is in
//! write its file, and only then take it away.

mod file;
mod here;
mod policy;
mod turn;

pub use here::{Here, Refused};
pub use policy::Policy;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use spotter_actors::Journal;
use spotter_protocol::StreamId;
use uuid::Uuid;

use crate::store::{Month, OldMonth, Store};
use file::MonthFile;

/// How often what was busy is tried again, and how long to wait in between.
const TRIES: u32 = 20;
const WAIT: Duration = Duration::from_millis(250);
/// How often the turn is asked for again while a file is written.
const KEEP_TURN_EVERY: Duration = Duration::from_secs(10);

/// The node that serves from the store, as one who archives sees it: it alone moves entities and takes months away. One
/// archives at a time; whoever does has the turn until they end it or fall silent.
#[async_trait]
pub trait Node: Sync {
    /// Takes the turn, or keeps it.
    async fn turn(&self) -> anyhow::Result<()>;
    /// Lets some of the entities in months before `before` leave them, those behind a stream.
    async fn leave(&self, before: Month, after: Option<StreamId>) -> anyhow::Result<Left>;
    /// Takes a month away, or a part of it, from the history that is named.
    async fn take_away(&self, month: Month, incarnation: Uuid) -> anyhow::Result<Taken>;
    /// Gives up the turn.
    async fn end(&self);
}

/// What became of some of the entities.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    /// How many have moved.
    pub moved: u64,
    /// How many changed meanwhile, and are to be tried again.
    pub busy: u64,
    /// How many stay; the node's log says why.
    pub stuck: u64,
    /// Behind which to go on; absent when there are no more.
    pub after: Option<StreamId>,
}

/// What became of a month.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Taken {
    /// Nothing of it is left.
    Whole,
    /// Some of it is left: ask again.
    Partly,
    /// It stays, since entities are in it.
    LivedIn {
        /// How many.
        entities: u64,
    },
    /// It is read just now: ask again.
    Busy,
}

/// What was archived.
#[derive(Debug, Default)]
pub struct Archived {
    /// How many entities have moved.
    pub moved: u64,
    /// How many cannot.
    pub stuck: u64,
    /// The months that are gone, oldest first.
    pub gone: Vec<Month>,
    /// Rows in the files that were written.
    pub rows: u64,
    /// The months that stay, with how many entities are in each.
    pub stay: Vec<(Month, u64)>,
}

/// How far it is.
#[derive(Debug)]
pub enum Progress {
    /// Entities move: so many have, are to be tried again, and cannot.
    Moving(u64, u64, u64),
    /// A month of so many rows is in a file.
    Written(Month, u64, PathBuf),
    /// A month is gone.
    TakenAway(Month),
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moving(moved, busy, stuck) => {
                write!(f, "moved {moved} entities, {busy} to be tried again, {stuck} cannot")
            }
            Self::Written(month, rows, path) => write!(f, "{month}: {rows} rows are in {}", path.display()),
            Self::TakenAway(month) => write!(f, "{month}: taken away"),
        }
    }
}

/// Archives the months before `before`, into files in the folder `to`, or for good without one. What an earlier run left
/// unfinished is taken up where it stands.
///
/// # Errors
/// When another archives, or the node or the store does not answer, or a file cannot be written: what was not written
/// was not taken away.
pub async fn archive(
    node: &impl Node,
    store: &Store,
    before: Month,
    to: Option<&Path>,
    report: impl Fn(Progress) + Sync,
) -> anyhow::Result<Archived> {
    node.turn().await?;
    let archived = Archiving { node, store, report }.months_before(before, to).await;
    node.end().await;
    archived
}

struct Archiving<'a, N, R> {
    node: &'a N,
    store: &'a Store,
    report: R,
}

impl<N: Node, R: Fn(Progress) + Sync> Archiving<'_, N, R> {
    async fn months_before(&self, before: Month, to: Option<&Path>) -> anyhow::Result<Archived> {
        let (moved, stuck) = self.leave(before).await?;
        let mut archived = Archived { moved, stuck, ..Archived::default() };
        for OldMonth { month, residents } in self.store.months_before(before).await? {
            if residents > 0 {
                archived.stay.push((month, residents));
                continue;
            }
            if let Some(folder) = to {
                archived.rows += self.write(month, folder).await?;
            }
            match self.take_away(month).await? {
                0 => archived.gone.push(month),
                residents => archived.stay.push((month, residents)),
            }
        }
        Ok(archived)
    }

    /// Lets all entities leave the months before one, as many as can; answers how many have and how many cannot.
    async fn leave(&self, before: Month) -> anyhow::Result<(u64, u64)> {
        let mut moved = 0;
        for _ in 0..TRIES {
            let (mut busy, mut stuck, mut after) = (0, 0, None);
            loop {
                let left = self.node.leave(before, after).await?;
                (moved, busy, stuck) = (moved + left.moved, busy + left.busy, stuck + left.stuck);
                after = left.after;
                if after.is_none() {
                    break;
                }
                (self.report)(Progress::Moving(moved, busy, stuck));
            }
            if busy == 0 {
                return Ok((moved, stuck));
            }
            tokio::time::sleep(WAIT).await;
        }
        bail!("some entities change all the time: nothing was taken away, try again later")
    }

    /// Writes the file of a month and keeps the turn meanwhile; answers how many rows it has.
    async fn write(&self, month: Month, folder: &Path) -> anyhow::Result<u64> {
        let written = MonthFile::write(self.store, month, folder);
        tokio::pin!(written);
        let written = loop {
            tokio::select! {
                written = &mut written => break written?,
                () = tokio::time::sleep(KEEP_TURN_EVERY) => self.node.turn().await?,
            }
        };
        let Some((path, rows)) = written else { return Ok(0) };
        (self.report)(Progress::Written(month, rows, path));
        Ok(rows)
    }

    /// Takes a month away; answers how many entities keep it from that.
    async fn take_away(&self, month: Month) -> anyhow::Result<u64> {
        let mut tries = 0;
        loop {
            match self.node.take_away(month, self.store.incarnation()).await? {
                Taken::Whole => {
                    (self.report)(Progress::TakenAway(month));
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
