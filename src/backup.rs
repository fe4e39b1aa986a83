//! Copies of a SQLite file: taken beside a node that serves, put back where none does.
//!
//! A copy is written under another name, flushed, and only then given its own: there is never half of one. It holds
//! password hashes and is readable by its user alone; the signing keys are not in it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tempfile::TempPath;

use crate::db::Pool;
use crate::store::{Lock, OpenError, migrations, sqlite};
use crate::verify;

/// What lies beside a database in use: its log, and the index of that.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// Findings that are told when a copy is refused.
const TOLD: usize = 10;

/// Copies the database at `database` into `file`, beside whoever uses it; answers how many bytes it has.
///
/// # Errors
/// When there is no database, `file` is there already (unless `force`), or the disk does not take it: then nothing is
/// left of the copy.
pub async fn backup(database: &Path, file: &Path, force: bool) -> anyhow::Result<u64> {
    if !database.is_file() {
        bail!(OpenError::Absent { path: database.to_owned() });
    }
    if is_same(database, file) {
        bail!("{} is the database itself: name another file", file.display());
    }
    if !force && file.exists() {
        bail!("{} is there already: name another file, or overwrite it with --force", file.display());
    }
    let folder = folder_of(file);
    let copy = scratch(folder)?;
    sqlite::copy(database, &copy)
        .await
        .with_context(|| format!("{} cannot be copied to {}", database.display(), folder.display()))?;
    let bytes =
        flush(&copy).with_context(|| format!("the copy cannot be flushed in {}", folder.display()))?;
    let named = if force { copy.persist(file) } else { copy.persist_noclobber(file) };
    named
        .map_err(|error| error.error)
        .with_context(|| format!("the copy cannot be named {}", file.display()))?;
    flush_names(folder)?;
    Ok(bytes)
}

/// Puts the copy `file` in the place of the database at `database`, under another incarnation: what clients and nodes
/// remember of the history that it was a copy of may be ahead of it. Answers where the database is kept that was there
/// before.
///
/// # Errors
/// When a node serves, a database is there (unless `force`), or `file` is not a sound copy of one that this build
/// knows: then nothing is changed. With `force` a copy whose tables contradict each other is taken all the same.
pub async fn restore(database: &Path, file: &Path, force: bool) -> anyhow::Result<Option<PathBuf>> {
    let folder = folder_of(database);
    let lock = Lock::take(folder)?;
    let is_there = database.exists() || beside(database).iter().any(|(_, path)| path.exists());
    if is_there && !force {
        bail!(
            "a database is there already: {}. --force puts the copy in its place and keeps it under another name",
            database.display()
        );
    }
    if is_same(database, file) {
        bail!("{} is the database itself: name a copy", file.display());
    }
    check(file).await?;
    let copy = scratch(folder)?;
    let failed = || format!("{} cannot be copied to {}", file.display(), folder.display());
    sqlite::copy(file, &copy).await.with_context(failed)?;
    // It has the lock from here until it is in its place.
    let store = sqlite::File::restored(&copy, folder, lock).await?;
    let agreed = agree(&store.db().reader, file, force).await;
    let begun = store.begin_anew().await.with_context(failed);
    // The last connection moves the log into the copy and takes it away.
    store.close().await;
    agreed?;
    let time = begun?;
    flush(&copy).with_context(failed)?;
    let kept = is_there.then(|| keep(database, &time)).transpose();
    let kept = kept.with_context(|| format!("{} cannot be kept under another name", database.display()))?;
    copy.persist(database).map_err(|error| error.error).with_context(failed)?;
    flush_names(folder)?;
    Ok(kept)
}

/// Whether a file is a whole database that this build can read.
async fn check(file: &Path) -> anyhow::Result<()> {
    if !file.is_file() {
        bail!(OpenError::Absent { path: file.to_owned() });
    }
    let name = file.display().to_string();
    let unread = || format!("{name} is no database of spotter, or is damaged");
    let pool = Pool::Sqlite(sqlite::reader(file));
    let faults = sqlite::faults(&pool).await.with_context(unread)?;
    if !faults.is_empty() {
        bail!("{name} is damaged: {}", faults.join("; "));
    }
    match migrations::compare(&pool, &name).await.with_context(unread)? {
        // An older one is brought up to date; it must be one at all.
        Ok(_) | Err(OpenError::Behind { .. }) => {
            sqlite::incarnation(&pool).await.map(|_| ()).with_context(unread)?
        }
        Err(error) => bail!(error),
    }
    pool.close().await;
    Ok(())
}

/// Whether the tables agree with each other.
async fn agree(pool: &Pool, file: &Path, force: bool) -> anyhow::Result<()> {
    let report = verify::quick(pool).await?;
    if report.found == 0 {
        return Ok(());
    }
    let findings: Vec<String> = report.findings.iter().take(TOLD).map(ToString::to_string).collect();
    let said = format!("{} findings in {}: {}", report.found, file.display(), findings.join("; "));
    if !force {
        bail!("{said}. --force takes it all the same");
    }
    eprintln!("warning: {said}");
    Ok(())
}

/// Gives a database and what lies beside it another name, which its own points to as well until it is replaced.
fn keep(database: &Path, time: &str) -> io::Result<PathBuf> {
    let kept = with_end(database, &format!(".before-{time}"));
    for (end, path) in beside(database) {
        if path.exists() {
            fs::rename(&path, with_end(&kept, end))?;
        }
    }
    // Where the disk knows no second names there is none for a moment.
    if database.exists() {
        fs::hard_link(database, &kept).or_else(|_| fs::rename(database, &kept))?;
    }
    Ok(kept)
}

/// A file of our own in a folder, which goes away unless it is given a name.
fn scratch(folder: &Path) -> anyhow::Result<TempPath> {
    let file = tempfile::Builder::new().prefix(".spotter-copy-").tempfile_in(folder);
    let file = file.with_context(|| format!("no file can be made in {}", folder.display()))?;
    Ok(file.into_temp_path())
}

fn flush(file: &Path) -> io::Result<u64> {
    let file = File::options().read(true).write(true).open(file)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Makes the names in a folder durable.
fn flush_names(folder: &Path) -> anyhow::Result<()> {
    let flushed = File::open(folder).and_then(|folder| folder.sync_all());
    flushed.with_context(|| format!("{} cannot be flushed", folder.display()))
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(database: &Path) -> [(&'static str, PathBuf); 2] {
    BESIDE.map(|end| (end, with_end(database, end)))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}
