//! The file of a month: whole on the disk under its name, or not there.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::store::{KeptRow, Month};

/// Rows that are read with one question.
pub(super) const ROWS_AT_ONCE: u32 = 2_000;

/// A file under way.
pub(super) struct MonthFile {
    folder: PathBuf,
    month: Month,
    /// Where it is until it is whole.
    begun: PathBuf,
    out: BufWriter<File>,
    rows: u64,
}

impl MonthFile {
    /// Begins a file in a folder, which is made where it is missing.
    pub(super) fn begin(folder: &Path, month: Month) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let begun = folder.join(format!("journal-{month}.ndjson.part"));
        let out = File::create(&begun).with_context(|| format!("cannot write {}", begun.display()))?;
        Ok(Self { folder: folder.to_owned(), month, begun, out: BufWriter::new(out), rows: 0 })
    }

    /// Adds a row.
    pub(super) fn write(&mut self, row: &KeptRow) -> anyhow::Result<()> {
        let written = serde_json::to_writer(&mut self.out, row).map_err(Into::into);
        let written = written.and_then(|()| self.out.write_all(b"\n"));
        self.rows += 1;
        written.with_context(|| format!("cannot write {}", self.begun.display()))
    }

    /// How many rows it has.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Puts the file on the disk under a name that none has; one without rows is left out.
    pub(super) fn finish(self) -> anyhow::Result<Option<PathBuf>> {
        let Self { folder, month, begun, out, rows } = self;
        let path = finish(&folder, month, &begun, out, rows > 0);
        path.with_context(|| format!("cannot finish {}", begun.display()))
    }
}

fn finish(
    folder: &Path,
    month: Month,
    begun: &Path,
    out: BufWriter<File>,
    is_wanted: bool,
) -> std::io::Result<Option<PathBuf>> {
    out.into_inner()?.sync_all()?;
    if !is_wanted {
        std::fs::remove_file(begun)?;
        return Ok(None);
    }
    let names = (2_u32..).map(|number| format!("journal-{month}.{number}.ndjson"));
    let names = std::iter::once(format!("journal-{month}.ndjson")).chain(names);
    let free = names.map(|name| folder.join(name)).find(|path| !path.exists());
    let path = free.ok_or(std::io::ErrorKind::AlreadyExists)?;
    std::fs::rename(begun, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(Some(path))
}
