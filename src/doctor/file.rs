//! A SQLite file and the folder it is in.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use super::{Chart, commits, space, tables};
use crate::db::{Pool, query};
use crate::store::{Lock, LockError, sqlite};

/// The scratch file beside the database, whose commits are measured.
const SCRATCH: &str = "spotter-doctor.db";

pub(super) async fn examine(path: &Path, folder: &Path, chart: &mut Chart) {
    if !folder.is_dir() {
        let said = format!(
            "{} is not there: `spotter serve` makes it, or name another by --data-dir",
            folder.display()
        );
        chart.warn("folder", said);
        return space(folder, chart);
    }
    let writable = folder_is_writable(folder, chart);
    let serves = lock(folder, chart);
    if path.is_file() {
        let pool = Pool::Sqlite(sqlite::reader(path));
        let look = database(&pool, path, serves, chart).await;
        if let Err(error) = look {
            let said = format!("{} cannot be read: {error}; restore a backup", path.display());
            chart.fail("reachable", said);
        }
        pool.close().await;
    } else {
        chart.warn("reachable", format!("no database yet at {}: `spotter serve` makes one", path.display()));
    }
    chart.ok("extensions", "none needed");
    if writable {
        let look = scratch(folder, chart).await;
        chart.looked("durable commit", look);
    }
    space(folder, chart);
}

/// What the file itself says.
async fn database(pool: &Pool, path: &Path, serves: bool, chart: &mut Chart) -> sqlx::Result<()> {
    let said = query("SELECT sqlite_version() AS version, (SELECT count(*) FROM sqlite_schema) AS things");
    let said = said.fetch_one(pool).await?;
    chart.ok("reachable", path.display().to_string());
    chart.ok("version", format!("SQLite {}, part of this program", said.get::<String>("version")?));
    tables(pool, &path.display().to_string(), chart).await;
    let mode: String = query("PRAGMA journal_mode").fetch_one(pool).await?.get("journal_mode")?;
    if mode == "wal" {
        chart.ok("journal_mode", mode);
    } else {
        chart.warn(
            "journal_mode",
            format!("{mode}: a node that serves sets it to wal; does it come from elsewhere?"),
        );
    }
    let look = statistics(pool, chart).await;
    if look.is_err() {
        chart.warn("statistics", "none of the shards: `spotter migrate` makes the tables with them");
    }
    let nodes = query("SELECT address, build FROM nodes").fetch_all(pool).await;
    for row in nodes.iter().flatten() {
        // A file knows no lease: the lock says whether the one that is listed has ended.
        let does = if serves { "serves" } else { "served last" };
        let (address, build): (String, String) = (row.get("address")?, row.get("build")?);
        chart.ok("nodes", format!("{address}, build {build}, {does}"));
    }
    Ok(())
}

async fn statistics(pool: &Pool, chart: &mut Chart) -> sqlx::Result<()> {
    let rows =
        query("SELECT count(*) AS rows FROM sqlite_stat1 WHERE tbl = 'shards'").fetch_one(pool).await?;
    if rows.get::<i64>("rows")? > 0 {
        chart.ok("statistics", "of the shards are there");
    } else {
        chart.warn(
            "statistics",
            "none of the shards, so that writes are planned slowly: run ANALYZE by sqlite3",
        );
    }
    Ok(())
}

/// Looks whether a file can be made, and by whom the folder can be read.
fn folder_is_writable(folder: &Path, chart: &mut Chart) -> bool {
    let file = folder.join(SCRATCH);
    if let Err(error) = File::create(&file).and_then(|_| std::fs::remove_file(&file)) {
        let said = format!("{} cannot be written: {error}; give it to the user who serves", folder.display());
        chart.fail("folder", said);
        return false;
    }
    match std::fs::metadata(folder).map(|found| found.permissions().mode() & 0o777) {
        Ok(mode) if mode & 0o077 != 0 => {
            let said = format!(
                "others may read {} (mode {mode:o}): `chmod 700` keeps it to its user",
                folder.display()
            );
            chart.warn("folder", said);
        }
        Ok(_) => chart.ok("folder", format!("{} is writable", folder.display())),
        Err(error) => chart.warn("folder", format!("{} cannot be looked at: {error}", folder.display())),
    }
    true
}

/// Looks who has the lock; answers whether somebody has.
fn lock(folder: &Path, chart: &mut Chart) -> bool {
    match Lock::look(folder) {
        Ok(()) => {
            chart.ok("lock", "free: nobody serves");
            return false;
        }
        Err(LockError::Held { pid, .. }) => {
            let number = pid.map_or_else(|| "of unknown number".to_owned(), |pid| pid.to_string());
            chart.ok("lock", format!("process {number} serves"));
        }
        Err(error @ LockError::Unusable { .. }) => {
            chart.fail("lock", format!("{error}: give it to the user who serves"));
        }
    }
    true
}

/// Measures commits in a file of their own beside the database, opened as a node opens that.
async fn scratch(folder: &Path, chart: &mut Chart) -> sqlx::Result<()> {
    let path = folder.join(SCRATCH);
    remove(&path);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(sqlite::writing(&path)).await;
    let look = match pool {
        Ok(pool) => {
            let look = measure(&Pool::Sqlite(pool.clone()), chart).await;
            SqlitePool::close(&pool).await;
            look
        }
        Err(error) => Err(error),
    };
    remove(&path);
    look
}

fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        // What is not there need not go.
        let _ = std::fs::remove_file(PathBuf::from(format!("{}{end}", path.display())));
    }
}

async fn measure(pool: &Pool, chart: &mut Chart) -> sqlx::Result<()> {
    let synchronous = query("PRAGMA synchronous").fetch_one(pool).await?.get::<i64>("synchronous")?;
    if synchronous == 2 {
        chart.ok("synchronous", "FULL on every connection that writes");
    } else {
        chart.fail(
            "synchronous",
            format!("{synchronous} instead of 2 (FULL): this is a defect, please tell us"),
        );
    }
    query("CREATE TABLE scratch (n INTEGER) STRICT").execute(pool).await?;
    commits(async || query("INSERT INTO scratch VALUES (1)").execute(pool).await.map(|_| ()), chart).await
}
