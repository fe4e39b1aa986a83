//! What a node archives by itself: months older than some whole months, soon after its start and then each day.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use async_trait::async_trait;
use rand::RngExt;
use spotter_protocol::StreamId;
use tracing::{info, warn};
use uuid::Uuid;

use super::{Archived, Here, Left, Node, Progress, Taken, archive};
use crate::config;
use crate::store::Month;

/// How long after its start a node first looks: those who come back at once have been served by then.
const AFTER_START: Duration = Duration::from_secs(5);
/// How long from one look to the next.
const DAILY: Duration = Duration::from_secs(24 * 3600);
/// How long from a look that failed to the next.
const AGAIN: Duration = Duration::from_secs(3600);
/// At most so much later, by chance: nodes that were started together do not all look at once.
const LATER: Duration = Duration::from_secs(600);

/// What is archived.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whole months that stay, beside the one that is not over.
    keep_months: u32,
    /// Where the others go; without it they are dropped.
    to: Option<PathBuf>,
}

impl Policy {
    /// The policy that is set, when one is.
    ///
    /// # Errors
    /// When its folder is not one that files can be written into.
    pub fn of(config: &config::Archive) -> anyhow::Result<Option<Self>> {
        if config.keep_months == 0 {
            return Ok(None);
        }
        let to = (!config.drop).then(|| config.to.clone());
        if let Some(folder) = &to {
            let name = folder.display();
            if !folder.is_dir() {
                bail!("`archive.to` is {name}, and there is no such folder: make it, or name another");
            }
            let tried = tempfile::tempfile_in(folder);
            tried.with_context(|| format!("`archive.to` is {name}, and no file can be written there"))?;
        }
        Ok(Some(Self { keep_months: config.keep_months, to }))
    }

    /// Keeps to it for as long as the node serves. What fails is tried again later: nobody waits for it.
    pub async fn keep(self, here: Here) {
        let mut wait = AFTER_START;
        loop {
            tokio::time::sleep(wait).await;
            let before = here.present().back(self.keep_months);
            wait = match self.archive(&here, before).await {
                Ok(archived) => {
                    tell(before, &archived);
                    DAILY
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    warn!(%before, error, "old months are not archived: trying again within two hours");
                    AGAIN
                }
            };
            wait += rand::rng().random_range(Duration::ZERO..LATER);
        }
    }

    async fn archive(&self, here: &Here, before: Month) -> anyhow::Result<Archived> {
        let own = Own { here, by: Uuid::new_v4() };
        archive(&own, &here.store, before, self.to.as_deref(), |progress| match progress {
            Progress::Written(month, rows, path) => {
                info!(%month, rows, file = %path.display(), "a month of the journal is in a file");
            }
            // Told with everything else, and by the node itself.
            Progress::Moving(..) | Progress::TakenAway(_) => {}
        })
        .await
    }
}

/// Writes into the log what was done; nothing when nothing was to be done.
fn tell(before: Month, archived: &Archived) {
    let Archived { moved, stuck, gone, rows, stay } = archived;
    if *moved > 0 || !gone.is_empty() {
        info!(%before, moved, months = gone.len(), rows, "old months of the journal were archived");
    }
    if *stuck > 0 {
        warn!(stuck, "some entities cannot leave their old month");
    }
    for (month, residents) in stay {
        warn!(%month, residents, "an old month of the journal stays: entities are in it");
    }
}

/// The node of this process, asked by its own policy.
struct Own<'a> {
    here: &'a Here,
    by: Uuid,
}

#[async_trait]
impl Node for Own<'_> {
    async fn turn(&self) -> anyhow::Result<()> {
        Ok(self.here.turn(self.by)?)
    }

    async fn leave(&self, before: Month, after: Option<StreamId>) -> anyhow::Result<Left> {
        Ok(self.here.leave(self.by, before, after).await?)
    }

    async fn take_away(&self, month: Month, incarnation: Uuid) -> anyhow::Result<Taken> {
        Ok(self.here.take_away(self.by, month, incarnation).await?)
    }

    async fn end(&self) {
        self.here.end(self.by);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::http::operators::tests::an_engine_over;
    use crate::store::{Database, Store};

    fn keeping_a_month(to: &Path) -> anyhow::Result<Option<Policy>> {
        Policy::of(&config::Archive { keep_months: 1, to: to.to_owned(), drop: false })
    }

    #[test]
    fn a_folder_that_takes_no_files_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        // Nobody writes files there, not even root.
        for to in [folder.path().join("absent"), file, "/proc".into()] {
            let error = keeping_a_month(&to).unwrap_err().to_string();
            assert!(error.contains(&format!("`archive.to` is {}", to.display())), "{error}");
        }
        assert!(keeping_a_month(folder.path()).unwrap().is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and left as it was");
    }

    #[test]
    fn nothing_is_archived_unless_it_is_said_how_much_stays() {
        let unset = config::Archive { keep_months: 0, to: PathBuf::new(), drop: false };
        assert!(Policy::of(&unset).unwrap().is_none());
        assert!(Policy::of(&config::Archive { keep_months: 1, drop: true, ..unset }).unwrap().is_some());
    }

    #[tokio::test]
    async fn a_policy_waits_for_the_operator_who_archives() {
        let folder = tempfile::tempdir().unwrap();
        let file = Database::File(folder.path().join("spotter.db"));
        let (store, claim) = Store::open_serving(&file, "here").await.unwrap();
        let here = Here::new(an_engine_over(&Arc::default(), &claim).await, Arc::new(store));
        let policy = keeping_a_month(folder.path()).unwrap().unwrap();
        let (operator, before) = (Uuid::from_u128(1), here.present().back(1));
        here.turn(operator).unwrap();

        let refused = policy.archive(&here, before).await.unwrap_err();

        assert!(refused.to_string().contains("somebody else archives just now"), "{refused}");
        here.end(operator);
        policy.archive(&here, before).await.unwrap();
        here.turn(operator).expect("the policy's turn is over");
    }
}
