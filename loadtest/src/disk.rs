//! What the disk does meanwhile: a commit cannot be sooner than its flush, and a disk that others use too stands still for
//! a second now and then, whoever asks.

use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use tempfile::NamedTempFile;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::pacer::{histogram, since};

/// How long after a flush the next one begins.
const EVERY: Duration = Duration::from_millis(100);
/// Bytes of each.
const BYTES: usize = 4096;

/// A file beside the stores of servers that are started here, flushed again and again.
pub(crate) struct Disk {
    over: oneshot::Sender<()>,
    flushes: JoinHandle<anyhow::Result<Histogram<u64>>>,
}

impl Disk {
    /// Begins to flush.
    pub(crate) fn watch() -> Self {
        let (over, told) = oneshot::channel();
        Self { over, flushes: tokio::spawn(flush_until(told)) }
    }

    /// Ends it, and answers how long each flush took, in microseconds.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) async fn flushes(self) -> anyhow::Result<Histogram<u64>> {
        // Gone only when it failed.
        let _ = self.over.send(());
        self.flushes.await?
    }
}

async fn flush_until(mut told: oneshot::Receiver<()>) -> anyhow::Result<Histogram<u64>> {
    let mut file = NamedTempFile::new().context("no file to watch the disk with")?;
    let mut flushes = histogram()?;
    loop {
        let took;
        (file, took) =
            tokio::task::spawn_blocking(|| flush(file)).await?.context("the disk takes nothing")?;
        flushes.saturating_record(took);
        tokio::select! {
            _ = &mut told => return Ok(flushes),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn flush(file: NamedTempFile) -> std::io::Result<(NamedTempFile, u64)> {
    let begun = Instant::now();
    file.as_file().write_all_at(&[0; BYTES], 0)?;
    file.as_file().sync_data()?;
    Ok((file, since(begun)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_disk_is_watched_until_it_is_over_and_not_more_often_than_said() {
        let begun = Instant::now();
        let disk = Disk::watch();
        tokio::time::sleep(EVERY * 4).await;

        let flushes = disk.flushes().await.unwrap();

        let most = 1 + (begun.elapsed().as_millis() / EVERY.as_millis()) as u64;
        assert!((1..=most).contains(&flushes.len()), "{} flushes, at most {most}", flushes.len());
    }
}
