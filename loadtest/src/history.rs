//! What is read over HTTP: what two people wrote to each other, and who is in the gym.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use spotter_protocol::{MessageView, UserId, Version};

use crate::ledger::Word;
use crate::nodes::Nodes;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The pages of a server.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    http: reqwest::Client,
    nodes: Nodes,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<MessageView>,
    /// Where the next page begins; absent on the last.
    next_before: Option<Version>,
}

impl Pages {
    /// Of a server.
    ///
    /// # Errors
    /// When there can be no client.
    pub(crate) fn of(nodes: Nodes) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy();
        let http = client.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, nodes })
    }

    /// The newest of what the owner of `token` and somebody wrote, oldest first: the words of this run.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn newest(&self, token: &str, with: UserId, run: u32) -> anyhow::Result<Vec<Word>> {
        let page: Page = self.read(token, &format!("messages/{with}?limit=50")).await?;
        Ok(words(&page, run).rev().collect())
    }

    /// The same, of the whole run.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn all(&self, token: &str, with: UserId, run: u32) -> anyhow::Result<Vec<Word>> {
        let (mut newest_first, mut before) = (Vec::new(), String::new());
        loop {
            let page: Page = self.read(token, &format!("messages/{with}?limit=50{before}")).await?;
            let known = newest_first.len();
            newest_first.extend(words(&page, run));
            match page.next_before {
                // What lies below is older than the run.
                Some(version) if newest_first.len() > known => before = format!("&before={}", version.0),
                Some(_) | None => break,
            }
        }
        newest_first.reverse();
        Ok(newest_first)
    }

    /// Who is in the gym.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(crate) async fn people(&self, token: &str) -> anyhow::Result<()> {
        self.read::<IgnoredAny>(token, "people").await.map(|_| ())
    }

    async fn read<T: DeserializeOwned>(&self, token: &str, path: &str) -> anyhow::Result<T> {
        for node in self.nodes.in_turn() {
            let url = format!("{}/api/v1/{path}", self.nodes.base(node));
            // One that cannot be reached is passed over.
            let Ok(response) = self.http.get(url).bearer_auth(token).send().await else { continue };
            let status = response.status();
            ensure!(status.is_success(), "{}", status.as_u16());
            return response.json().await.context("unreadable");
        }
        bail!("unreachable")
    }
}

/// The words of this run on a page, newest first.
fn words(page: &Page, run: u32) -> impl DoubleEndedIterator<Item = Word> {
    page.messages.iter().filter_map(move |message| Word::read(message.id.0, run))
}
