//! Several generators for one run: `spotter-load lead` and the `worker`s that it sends.
//!
//! A gym belongs to one worker: who must see what is known within a gym. The plan is that of one generator, each worker
//! follows its gyms' part of it. What comes from the gym of another worker is found all the same: a worker takes everything that it
//! does not know (a session, a set, a person on a wall) for a leak, and it asks for its sessions as a person of
//! another worker's gym. Messages are told from those of an older run by the number of the run, which the lead gives to all.

mod lead;
mod merge;
mod watch;
mod worker;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::results::{Aborted, Results};
use crate::target::Account;

use watch::News;

pub(crate) use lead::{Lead, lead};
pub(crate) use worker::{Worker, worker};

/// Where the token is found when no file is named.
const TOKEN_VARIABLE: &str = "SPOTTER_LOAD_TOKEN";
/// A shorter token is soon guessed.
const TOKEN_MIN: usize = 16;
/// How long one side waits for the other's first word.
const GREETED_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of a message of somebody who has not shown the token.
const GREETING_MAX: u64 = 4 * 1024;
/// The most bytes of a message: the log of a worker that ran for an hour.
const MESSAGE_MAX: u64 = 256 * 1024 * 1024;

/// What a lead says.
#[derive(Debug, Serialize, Deserialize)]
enum ToWorker {
    Greeting {
        token: String,
        version: String,
    },
    Errand(Box<Errand>),
    Go,
    /// The rest of the plan is left out: a threshold is missed that ends the run.
    End(Aborted),
}

/// A worker's part of a run.
#[derive(Debug, Serialize, Deserialize)]
struct Errand {
    /// In TOML.
    scenario: String,
    seed: u64,
    /// The number of the run, the same for all.
    run: u32,
    /// The first of the scenario's gyms that are this worker's, and how many.
    first_gym: u16,
    gyms: u16,
    /// The server's nodes.
    targets: Vec<String>,
    /// One worker looks after them.
    metrics: Vec<String>,
    people: Vec<Account>,
    /// Somebody of a gym of another worker.
    stranger: Option<Account>,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
enum ToLead {
    /// With the exit code that it comes to.
    Refused {
        code: u8,
        why: String,
    },
    /// The token is the right one.
    Welcome,
    Ready,
    /// What it took to come is told first, then each second.
    Second(Box<News>),
    Done(Box<Part>),
}

/// What a worker found.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    results: Results,
    /// Its `delays.hgrm`.
    log: String,
}

/// The word that lead and workers share. It is no argument: those are seen by everybody on a machine.
fn token(file: Option<&Path>) -> anyhow::Result<String> {
    let token = match file {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("no token in {}", file.display()))?
        }
        None => std::env::var(TOKEN_VARIABLE)
            .with_context(|| format!("no token: name its file with --token-file, or set {TOKEN_VARIABLE}"))?,
    };
    let token = token.trim().to_owned();
    ensure!(token.len() >= TOKEN_MIN, "the token has less than {TOKEN_MIN} characters");
    Ok(token)
}

/// As long for a wrong token as for the right one.
fn is_same(token: &str, other: &str) -> bool {
    let difference = token.bytes().zip(other.bytes()).fold(0, |found, (one, two)| found | (one ^ two));
    token.len() == other.len() && difference == 0
}

/// Writes a message: its length in four bytes, then its JSON.
async fn say(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> anyhow::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    to.write_u32(u32::try_from(bytes.len())?).await?;
    to.write_all(&bytes).await?;
    Ok(to.flush().await?)
}

/// Reads a message of at most `most` bytes.
async fn hear<M: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin), most: u64) -> anyhow::Result<M> {
    let length = u64::from(from.read_u32().await?);
    if length > most {
        bail!("a message of {length} bytes");
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes).await?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_the_same() {
        assert!(is_same("0123456789abcdef", "0123456789abcdef"));
        assert!(!is_same("0123456789abcdef", "0123456789abcdeg"));
        assert!(!is_same("0123456789abcdef", "0123456789abcde"));
    }

    #[test]
    fn a_token_that_is_soon_guessed_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "short\n").unwrap();
        assert!(token(Some(file.path())).is_err());
        std::fs::write(file.path(), "long enough to stay\n").unwrap();
        assert_eq!(token(Some(file.path())).unwrap(), "long enough to stay");
    }

    #[tokio::test]
    async fn a_message_that_is_too_long_is_not_read() {
        let mut written = Vec::new();
        say(&mut written, &"x".repeat(100)).await.unwrap();
        assert_eq!(hear::<String>(&mut &written[..], 200).await.unwrap().len(), 100);
        assert!(hear::<String>(&mut &written[..], 50).await.is_err());
    }
}
