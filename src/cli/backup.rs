//! `spotter backup` and `spotter restore`: of a SQLite file.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;

use crate::backup;
use crate::config::Config;
use crate::node;
use crate::store::Database;

/// Copy the database into a file, beside a running node or at rest
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spotter backup /backups/spotter-monday.db
  spotter backup /backups/spotter.db --force

Everything acknowledged before it began is in the copy. The signing keys are not: keep them apart. With a PostgreSQL
server use its own tools: docs/operations.md.")]
pub(super) struct BackupArgs {
    /// The copy
    file: PathBuf,
    /// Overwrite the file when it is there
    #[arg(long)]
    force: bool,
}

/// Put a copy in the place of the database
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spotter restore /backups/spotter-monday.db --data-dir /var/lib/spotter
  spotter restore /backups/spotter-monday.db --force

No node may be serving. The copy is checked first and stays as it is. With --force a database that is there is kept
aside under a name with the time.")]
pub(super) struct RestoreArgs {
    /// The copy, as `spotter backup` made it
    file: PathBuf,
    /// Replace a database that is there, and take a copy whose tables contradict each other
    #[arg(long)]
    force: bool,
}

pub(super) async fn backup(args: BackupArgs, config: &Config) -> anyhow::Result<()> {
    let database = file(config)?;
    let bytes = backup::backup(&database, &args.file, args.force).await?;
    println!("{} holds all of {}: {} KiB", args.file.display(), database.display(), bytes / 1024);
    println!("{}", about_keys(&config.data_dir));
    Ok(())
}

pub(super) async fn restore(args: RestoreArgs, config: &Config) -> anyhow::Result<()> {
    let database = file(config)?;
    node::make_folder(&config.data_dir)?;
    let kept = backup::restore(&database, &args.file, args.force).await?;
    println!("{} is in the place of {}", args.file.display(), database.display());
    if let Some(kept) = kept {
        println!("what was there before is kept as {}", kept.display());
    }
    println!("{}", about_keys(&config.data_dir));
    println!("next: `spotter verify`, then `spotter serve`; clients are shown everything anew");
    Ok(())
}

/// The SQLite file that is set.
fn file(config: &Config) -> anyhow::Result<PathBuf> {
    match node::database(config)? {
        Database::File(path) => Ok(path),
        database @ Database::Server(_) => bail!(
            "{database} is PostgreSQL: use pg_basebackup with an archive of its log (PITR), or pg_dump; \
             docs/operations.md says how"
        ),
    }
}

fn about_keys(data_dir: &Path) -> String {
    let keys = node::keys(data_dir);
    let are = if keys.is_dir() { "they are in" } else { "copy yours to" };
    format!(
        "the signing keys are secrets and not part of a copy: {are} {}. Without them everybody signs in again",
        keys.display()
    )
}
