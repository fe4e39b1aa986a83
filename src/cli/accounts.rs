//! `spotter gym`, `user` and `link`.

use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Method;
use serde::Deserialize;
use spotter_actors::Clock;
use spotter_protocol::{Name, Role};

use super::operators::Admin;
use super::{open_db, password, read_csv};
use crate::accounts::{Accounts, Email, Gym, NewLink, NewUser, Permissions, Slug};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::http::gyms::People;
use crate::removal::Leaving;

/// How long entities are given to go to rest before the node is asked again.
const UNTIL_AT_REST: Duration = Duration::from_millis(50);

#[derive(Debug, Subcommand)]
pub(super) enum GymCommand {
    /// Add a gym
    #[command(after_help = "Example:\n  spotter gym add --slug iron-temple --name 'Iron Temple'")]
    Add {
        /// How people name it when they sign in: a-z, 0-9 and -
        #[arg(long)]
        slug: Slug,
        /// What it is called
        #[arg(long, value_parser = name)]
        name: Name,
    },
    /// Remove a gym from the running node, with everyone and everything in it
    #[command(after_help = "\
Examples:
  spotter gym remove --slug iron-temple
  spotter gym remove --slug iron-temple --yes

Without --yes it says who would go, and removes nothing. Sockets of the gym end at once. Called again, it goes on where it
was broken off. Backups and files of archived months still have what they had.")]
    Remove {
        /// The gym's slug
        #[arg(long)]
        slug: Slug,
        /// Remove it: nothing brings it back
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        admin: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add one account, or all of a file
    #[command(after_help = "\
Examples:
  spotter user add --gym iron-temple --email ada@example.com --name 'Ada' --role athlete
  spotter user add --gym iron-temple --from users.csv

The file begins with the line email,name,role. Its accounts cannot sign in until `spotter user passwd`.
On an error nothing of the file is added.")]
    Add(UserAdd),
    /// Set an account's password and end its sign-ins
    #[command(after_help = "\
Example:
  spotter user passwd --gym iron-temple --email ada@example.com --password-stdin < password.txt")]
    Passwd {
        /// The gym's slug
        #[arg(long)]
        gym: String,
        /// The account's e-mail
        #[arg(long)]
        email: Email,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Change what an account's user is in the gym; sockets and tokens of the old role end within a second
    #[command(
        after_help = "Example:\n  spotter user role --gym iron-temple --email ada@example.com --role coach"
    )]
    Role {
        /// The gym's slug
        #[arg(long)]
        gym: String,
        /// The account's e-mail
        #[arg(long)]
        email: Email,
        /// What they are from now on
        #[arg(long, value_enum)]
        role: GymRole,
    },
    /// List a gym's accounts: e-mail, role, name, id, and whether a password is set
    #[command(after_help = "Example:\n  spotter user list --gym iron-temple --role coach")]
    List {
        /// The gym's slug
        #[arg(long)]
        gym: String,
        /// Only accounts of this role
        #[arg(long, value_enum)]
        role: Option<GymRole>,
    },
}

#[derive(Debug, Args)]
pub(super) struct UserAdd {
    /// The gym's slug
    #[arg(long)]
    gym: String,
    /// Accounts to add, as a CSV file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["email", "name", "role", "password_stdin", "no_password"])]
    from: Option<PathBuf>,
    /// What the person signs in with
    #[arg(long, required_unless_present = "from")]
    email: Option<Email>,
    /// What they are called
    #[arg(long, required_unless_present = "from", value_parser = name)]
    name: Option<Name>,
    /// What they are in the gym
    #[arg(long, required_unless_present = "from", value_enum)]
    role: Option<GymRole>,
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "no_password")]
    password_stdin: bool,
    /// Set no password: the account cannot sign in yet
    #[arg(long)]
    no_password: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum LinkCommand {
    /// Link a coach and an athlete, or change what an existing link allows
    #[command(after_help = "\
Examples:
  spotter link add --gym iron-temple --coach cleo@example.com --athlete ada@example.com
  spotter link add --gym iron-temple --from links.csv --permissions view_sessions

The file begins with the line coach,athlete; both are e-mails. On an error nothing of the file is added.")]
    Add(LinkAdd),
    /// Change what an active link allows; takes effect within a second
    #[command(after_help = "\
Example:
  spotter link set --gym iron-temple --coach cleo@example.com --athlete ada@example.com --permissions view_sessions

An empty list leaves the link active and allows nothing.")]
    Set {
        #[command(flatten)]
        which: WhichLink,
        /// What the coach may from now on: view_sessions, message, log_sets, edit_plans, edit_goals
        #[arg(long, value_name = "LIST")]
        permissions: Permissions,
    },
    /// End an active link; the coach loses sight of the athlete within a second
    #[command(after_help = "\
Example:
  spotter link end --gym iron-temple --coach cleo@example.com --athlete ada@example.com")]
    End(WhichLink),
}

#[derive(Debug, Args)]
pub(super) struct WhichLink {
    /// The gym's slug
    #[arg(long)]
    gym: String,
    /// The coach's e-mail
    #[arg(long)]
    coach: Email,
    /// The athlete's e-mail
    #[arg(long)]
    athlete: Email,
}

#[derive(Debug, Args)]
pub(super) struct LinkAdd {
    /// The gym's slug
    #[arg(long)]
    gym: String,
    /// Links to add, as a CSV file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["coach", "athlete"])]
    from: Option<PathBuf>,
    /// The coach's e-mail
    #[arg(long, required_unless_present = "from")]
    coach: Option<Email>,
    /// The athlete's e-mail
    #[arg(long, required_unless_present = "from")]
    athlete: Option<Email>,
    /// What the coach may: view_sessions, message, log_sets, edit_plans, edit_goals
    #[arg(long, default_value_t = Permissions::usual(), value_name = "LIST")]
    permissions: Permissions,
}

/// A role within a gym.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[value(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(super) enum GymRole {
    Athlete,
    Coach,
    GymOwner,
}

impl From<GymRole> for Role {
    fn from(role: GymRole) -> Self {
        match role {
            GymRole::Athlete => Self::Athlete,
            GymRole::Coach => Self::Coach,
            GymRole::GymOwner => Self::GymOwner,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserLine {
    email: String,
    name: Name,
    role: GymRole,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkLine {
    coach: String,
    athlete: String,
}

pub(super) async fn gym(command: GymCommand, config: &Config) -> anyhow::Result<()> {
    match command {
        GymCommand::Add { slug, name } => {
            let gym = Accounts::new(open_db(config).await?).add_gym(slug, name, SystemClock.now()).await?;
            println!("added gym {} ({})", gym.slug, gym.id);
        }
        GymCommand::Remove { slug, yes, admin } => remove(&slug, yes, &admin, config).await?,
    }
    Ok(())
}

async fn remove(slug: &Slug, yes: bool, admin: &Admin, config: &Config) -> anyhow::Result<()> {
    let path = format!("/gyms/{slug}");
    let People { athletes, staff, is_closed } =
        admin.ask(config, Method::GET, &path, None).await?.json().await?;
    if !yes {
        let begun = if is_closed { "; its removal has begun, and" } else { ":" };
        bail!(
            "{slug} has {athletes} athletes and {staff} coaches and owners{begun} all that they did goes with them, \
             for good. Add --yes to remove it"
        );
    }
    loop {
        match admin.ask(config, Method::DELETE, &path, None).await?.json().await? {
            Leaving::Whole => break,
            Leaving::Partly { awake, people } => {
                // Whoever does not listen need not.
                let _ = writeln!(stderr(), "{people} people left, {awake} of their entities awake");
                if awake > 0 {
                    tokio::time::sleep(UNTIL_AT_REST).await;
                }
            }
        }
    }
    println!("{slug} is removed");
    Ok(())
}

pub(super) async fn user(command: UserCommand, config: &Config) -> anyhow::Result<()> {
    let accounts = Accounts::new(open_db(config).await?);
    match command {
        UserCommand::Add(args) => {
            let gym = accounts.gym(&args.gym).await?;
            let added = accounts.add_users(&gym, args.users()?, SystemClock.now()).await?;
            match added.as_slice() {
                [user] => println!("added {} {} ({})", user.role.as_str(), user.email, user.id),
                users => println!("added {} accounts", users.len()),
            }
        }
        UserCommand::Passwd { gym, email, password_stdin } => {
            let user = accounts.user_by_email(&accounts.gym(&gym).await?, &email).await?;
            let hash = password::read_new(password_stdin)?.hash()?;
            accounts.set_password(&user, &hash).await?;
            println!("{email} has a new password; earlier sign-ins have ended");
        }
        UserCommand::Role { gym, email, role } => {
            let user = accounts.user_by_email(&accounts.gym(&gym).await?, &email).await?;
            let role = Role::from(role);
            accounts.set_role(&user, role).await?;
            println!("{email} is {} now", role.as_str());
        }
        UserCommand::List { gym, role } => {
            let gym = accounts.gym(&gym).await?;
            let mut out = stdout().lock();
            for row in accounts.users(&gym, role.map(Role::from)).await? {
                let user = &row.user;
                let password = if row.password_hash.is_some() { "password" } else { "no password" };
                writeln!(
                    out,
                    "{}\t{}\t{}\t{}\t{password}",
                    user.email,
                    user.role.as_str(),
                    user.name,
                    user.id
                )?;
            }
        }
    }
    Ok(())
}

pub(super) async fn link(command: LinkCommand, config: &Config) -> anyhow::Result<()> {
    let accounts = Accounts::new(open_db(config).await?);
    match command {
        LinkCommand::Add(args) => {
            let gym: Gym = accounts.gym(&args.gym).await?;
            let links = args.links()?;
            accounts.add_links(&gym, &links, SystemClock.now()).await?;
            match links.len() {
                1 => println!("the link is active"),
                several => println!("{several} links are active"),
            }
        }
        LinkCommand::Set { which: WhichLink { gym, coach, athlete }, permissions } => {
            let gym = accounts.gym(&gym).await?;
            accounts.set_permissions(&gym, &coach, &athlete, &permissions).await?;
            match permissions.to_string().as_str() {
                "" => println!("the link allows nothing now"),
                permissions => println!("the link allows {permissions} now"),
            }
        }
        LinkCommand::End(WhichLink { gym, coach, athlete }) => {
            accounts.end_link(&accounts.gym(&gym).await?, &coach, &athlete).await?;
            println!("the link has ended");
        }
    }
    Ok(())
}

impl UserAdd {
    fn users(self) -> anyhow::Result<Vec<NewUser>> {
        if let (Some(email), Some(name), Some(role)) = (self.email, self.name, self.role) {
            let password_hash = match self.no_password {
                true => None,
                false => Some(password::read_new(self.password_stdin)?.hash()?),
            };
            return Ok(vec![NewUser { email, name, role: role.into(), password_hash }]);
        }
        let lines: Vec<UserLine> = read_csv(&self.from.unwrap_or_default())?;
        lines
            .into_iter()
            .map(|UserLine { email, name, role }| {
                Ok(NewUser { email: parse_email(&email)?, name, role: role.into(), password_hash: None })
            })
            .collect()
    }
}

impl LinkAdd {
    fn links(self) -> anyhow::Result<Vec<NewLink>> {
        let permissions = self.permissions;
        if let (Some(coach), Some(athlete)) = (self.coach, self.athlete) {
            return Ok(vec![NewLink { coach, athlete, permissions }]);
        }
        let lines: Vec<LinkLine> = read_csv(&self.from.unwrap_or_default())?;
        lines
            .into_iter()
            .map(|LinkLine { coach, athlete }| {
                let (coach, athlete) = (parse_email(&coach)?, parse_email(&athlete)?);
                Ok(NewLink { coach, athlete, permissions: permissions.clone() })
            })
            .collect()
    }
}

fn parse_email(text: &str) -> anyhow::Result<Email> {
    text.parse().map_err(|reason| anyhow!("`{text}` is no e-mail address: {reason}"))
}

fn name(text: &str) -> Result<Name, String> {
    if text.trim().is_empty() {
        return Err("a name has at least one character".to_owned());
    }
    text.parse()
}
