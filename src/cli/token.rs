//! `spotter token`.

use std::io::{Write, stdout};

use clap::Args;
use spotter_actors::Clock;
use spotter_protocol::Role;

use super::accounts::GymRole;
use super::{open_db, open_tokens};
use crate::accounts::{Accounts, Email};
use crate::clock::SystemClock;
use crate::config::Config;

/// Print access tokens, for tools and tests.
///
/// Whoever may read the keys may speak for anyone: keep the data folder to the server's user.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  spotter token --gym iron-temple --email ada@example.com     the token alone
  spotter token --gym iron-temple --role athlete              a line each: e-mail, user id, token; tabs between")]
pub(super) struct TokenArgs {
    /// The gym's slug
    #[arg(long)]
    gym: String,
    /// A token for this account
    #[arg(long, required_unless_present = "role", conflicts_with = "role")]
    email: Option<Email>,
    /// A token for each account of this role
    #[arg(long, value_enum)]
    role: Option<GymRole>,
}

pub(super) async fn print(args: TokenArgs, config: &Config) -> anyhow::Result<()> {
    let accounts = Accounts::new(open_db(config).await?);
    let gym = accounts.gym(&args.gym).await?;
    let tokens = open_tokens(config)?;
    let now = SystemClock.now();
    if let Some(email) = &args.email {
        let user = accounts.user_by_email(&gym, email).await?;
        println!("{}", tokens.mint(&user, now)?);
        return Ok(());
    }
    let mut out = stdout().lock();
    for row in accounts.users(&gym, args.role.map(Role::from)).await? {
        writeln!(out, "{}\t{}\t{}", row.user.email, row.user.id, tokens.mint(&row.user, now)?)?;
    }
    Ok(())
}
