//! The file of a month: whole on the disk under its name, or not there.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::store::{KeptRow, Month, Store};

/// Rows that are read with one question.
const ROWS_AT_ONCE: u32 = 2_000;

/// A file under way: it goes when it is given up, unless the process is killed.
pub(super) struct MonthFile {
    folder: PathBuf,
    month: Month,
    out: BufWriter<NamedTempFile>,
    rows: u64,
}

impl MonthFile {
    /// Writes a month into a file of a folder, under a name that none has; answers which, and how many rows it has. A
    /// month without rows gets none.
    pub(super) async fn write(
        store: &Store,
        month: Month,
        folder: &Path,
    ) -> anyhow::Result<Option<(PathBuf, u64)>> {
        let mut file = Self::begin(folder, month)?;
        let mut behind = None;
        loop {
            let rows = store.rows_of(month, behind, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last() else { break };
            behind = Some(last.place());
            file = beside(move || file.add(&rows)).await?;
        }
        beside(move || file.finish()).await
    }

    fn begin(folder: &Path, month: Month) -> anyhow::Result<Self> {
        let begun =
            tempfile::Builder::new().prefix(&format!("journal-{month}.")).suffix(".part").tempfile_in(folder);
        let begun = begun.with_context(|| format!("cannot write into {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), month, out: BufWriter::new(begun), rows: 0 })
    }

    fn add(mut self, rows: &[KeptRow]) -> anyhow::Result<Self> {
        for row in rows {
            let written = serde_json::to_writer(&mut self.out, row).map_err(Into::into);
            let written = written.and_then(|()| self.out.write_all(b"\n"));
            written.with_context(|| format!("cannot write into {}", self.folder.display()))?;
        }
        self.rows += rows.len() as u64;
        Ok(self)
    }

    fn finish(self) -> anyhow::Result<Option<(PathBuf, u64)>> {
        let Self { folder, month, out, rows } = self;
        if rows == 0 {
            return Ok(None);
        }
        let path = finish(&folder, month, out);
        let path = path.with_context(|| format!("cannot finish a file in {}", folder.display()))?;
        Ok(Some((path, rows)))
    }
}

/// Does what waits for the disk where nobody else waits for it.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a file is not written on")?
}

fn finish(folder: &Path, month: Month, out: BufWriter<NamedTempFile>) -> std::io::Result<PathBuf> {
    let mut file = out.into_inner()?;
    file.as_file().sync_all()?;
    let names = (2_u32..).map(|number| format!("journal-{month}.{number}.ndjson"));
    for name in std::iter::once(format!("journal-{month}.ndjson")).chain(names) {
        let path = folder.join(name);
        // Another may have taken the name a moment ago.
        match file.persist_noclobber(&path) {
            Ok(_) => {
                File::open(folder)?.sync_all()?;
                return Ok(path);
            }
            Err(taken) if taken.error.kind() == ErrorKind::AlreadyExists => file = taken.file,
            Err(failed) => return Err(failed.error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_a_name_that_none_has_and_one_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let month: Month = "2026-05".parse().unwrap();
        let a_file = |text: &str| {
            let mut file = MonthFile::begin(folder.path(), month).unwrap();
            file.out.write_all(text.as_bytes()).unwrap();
            file.rows = 1;
            file
        };
        // Two at once.
        let (one, other, given_up) = (a_file("one"), a_file("other"), a_file("given up"));

        let written = [one, other].map(|file| file.finish().unwrap().unwrap().0);
        drop(given_up);

        let names =
            ["journal-2026-05.ndjson", "journal-2026-05.2.ndjson"].map(|name| folder.path().join(name));
        assert_eq!(written, names);
        assert_eq!(names.map(|name| std::fs::read_to_string(name).unwrap()), ["one", "other"]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
