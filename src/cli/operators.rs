//! `spotter quarantine` and `spotter dead-letters`: what an operator asks of the running node, through its admin
//! listener.

use std::io::{Write, stdout};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use spotter_protocol::Address;
use uuid::Uuid;

use crate::config::Config;
use crate::http::operators::{Accepted, GivenUp, Quarantine, Release};

/// Where the running node is asked.
#[derive(Debug, Args)]
pub(super) struct Admin {
    /// The node's admin listener (default: http:// and the setting admin_listen)
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum QuarantineCommand {
    /// List entities that keep failing: address, failures, since, last error; tabs between
    #[command(after_help = "Example:\n  spotter quarantine list --admin http://127.0.0.1:8081")]
    List(Admin),
    /// Let the next command start an entity again
    #[command(after_help = "\
Example:
  spotter quarantine release session/0190a0a0-0000-7000-8000-000000000001/0190a0a0-0000-7000-8000-000000000002

Find out first why it failed: the log names each failure.")]
    Release {
        /// The entity, as `spotter quarantine list` shows it
        #[arg(value_parser = address)]
        address: Address,
        #[command(flatten)]
        admin: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// List commands that the server gave up: id, command, entity, author, why; tabs between
    #[command(after_help = "Example:\n  spotter dead-letters list --frames")]
    List {
        /// Show each command as it came, too
        #[arg(long)]
        frames: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// Send a command to its entity again; accepted, it is kept no more
    #[command(after_help = "\
Example:
  spotter dead-letters offer 0190a0a0-0000-7000-8000-000000000001

A command that was done after all, but whose month of the journal was taken away by `spotter archive`, is done again.")]
    Offer {
        /// The command, as `spotter dead-letters list` names it
        id: Uuid,
        #[command(flatten)]
        admin: Admin,
    },
    /// Keep a command no more: it will never be done
    #[command(after_help = "Example:\n  spotter dead-letters discard 0190a0a0-0000-7000-8000-000000000001")]
    Discard {
        /// The command, as `spotter dead-letters list` names it
        id: Uuid,
        #[command(flatten)]
        admin: Admin,
    },
}

pub(super) async fn quarantine(command: QuarantineCommand, config: &Config) -> anyhow::Result<()> {
    match command {
        QuarantineCommand::List(admin) => {
            let held: Quarantine = admin.ask(config, Method::GET, "/quarantine", None).await?.json().await?;
            let mut out = stdout().lock();
            for held in held.quarantined {
                writeln!(out, "{}\t{}\t{}\t{}", held.address, held.failures, held.since.0, held.error)?;
            }
        }
        QuarantineCommand::Release { address, admin } => {
            let release = json!(Release { address: address.to_string() });
            admin.ask(config, Method::POST, "/quarantine/release", Some(release)).await?;
            println!("{address} is released");
        }
    }
    Ok(())
}

pub(super) async fn dead_letters(command: DeadLetterCommand, config: &Config) -> anyhow::Result<()> {
    match command {
        DeadLetterCommand::List { frames, admin } => {
            let given_up: GivenUp =
                admin.ask(config, Method::GET, "/dead-letters", None).await?.json().await?;
            let mut out = stdout().lock();
            for letter in given_up.dead_letters {
                let why = letter.why.replace(['\t', '\n'], " ");
                write!(out, "{}\t{}\t{}\t{}\t{why}", letter.id, letter.kind, letter.address, letter.author)?;
                if frames {
                    write!(out, "\t{}", letter.frame)?;
                }
                writeln!(out)?;
            }
        }
        DeadLetterCommand::Offer { id, admin } => {
            let path = format!("/dead-letters/{id}/offer");
            let accepted: Accepted = admin.ask(config, Method::POST, &path, None).await?.json().await?;
            println!("{id} was accepted and reached version {}", accepted.v.0);
        }
        DeadLetterCommand::Discard { id, admin } => {
            admin.ask(config, Method::DELETE, &format!("/dead-letters/{id}"), None).await?;
            println!("{id} is discarded");
        }
    }
    Ok(())
}

impl Admin {
    pub(super) async fn ask(
        &self,
        config: &Config,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> anyhow::Result<Response> {
        #[derive(Deserialize)]
        struct Refusal {
            detail: String,
        }
        let base = self.admin.clone().unwrap_or_else(|| format!("http://{}", config.admin_listen));
        let request = Client::new().request(method, format!("{}{path}", base.trim_end_matches('/')));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.with_context(|| {
            format!("no node answers at {base}: start it, or name its admin listener with --admin")
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status == StatusCode::NOT_FOUND {
            bail!("the node knows nothing of that name");
        }
        let detail = response.json().await.map_or_else(|_| status.to_string(), |Refusal { detail }| detail);
        bail!("the node refuses: {detail}")
    }
}

fn address(text: &str) -> Result<Address, &'static str> {
    text.parse()
}
