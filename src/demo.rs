//! `spotter demo`: a gym with people in it. The gym is added by what the operator's commands use; the
//! athletes then come through the front door, as clients of the socket with tokens from the real sign-in.

use std::time::Duration;

use anyhow::{Context, anyhow};
use spotter_actors::Clock;
use spotter_demo::{Account, DemoGym, Options, PASSWORD};
use spotter_protocol::{Name, Role};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::accounts::{AccountError, Accounts, NewLink, NewUser, Permissions};
use crate::auth::Password;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::node::{self, Reachable};
use crate::store::Store;
use crate::workouts::Workouts;

/// How long the athletes have to leave the floor before the node drains.
const LEAVING: Duration = Duration::from_secs(1);
/// How long the node has to drain, so that a demo ends within five seconds of Ctrl-C.
const DRAIN_S: u32 = 3;

/// Runs the demo until it is told to stop. Goes on where it ended when its data is there.
///
/// # Errors
/// When the node or the demo's data cannot be used.
pub async fn run(mut config: Config, options: Options) -> anyhow::Result<()> {
    config.engine.drain_s = config.engine.drain_s.min(DRAIN_S);
    let gym = DemoGym::build()?;
    let is_new = seed(&config, &gym).await.context("the demo's gym cannot be added")?;
    let stop = node::stop_signal()?;
    let (serving, ready) = oneshot::channel();
    let leave = CancellationToken::new();
    let floor = {
        let leave = leave.clone();
        let data_dir = config.data_dir.display().to_string();
        tokio::spawn(async move {
            let Ok(reachable) = ready.await else { return };
            greet(&gym, reachable, &data_dir, is_new, options.speed);
            let base = format!("http://{}", on_this_host(reachable));
            if let Err(error) = spotter_demo::run(&base, options, leave.cancelled()).await {
                warn!(%error, "nobody comes to train");
            }
        })
    };
    let leaving = async {
        stop.await;
        leave.cancel();
        if tokio::time::timeout(LEAVING, floor).await.is_err() {
            warn!("some athletes did not leave in time");
        }
    };
    let ready = |reachable| {
        // The floor waits for this as long as the node lives.
        let _ = serving.send(reachable);
    };
    node::serve(&config, ready, leaving).await
}

/// Adds the demo's gym where it is missing; answers whether it was.
async fn seed(config: &Config, gym: &DemoGym) -> anyhow::Result<bool> {
    node::make_folder(&config.data_dir)?;
    let store = Store::open(&node::database(config)?).await?;
    let now = SystemClock.now();
    let accounts = Accounts::new(store.db());
    let name = |text: &str| text.parse::<Name>().map_err(|error| anyhow!(error));
    let slug = gym.slug.parse().map_err(|error| anyhow!("{error}"))?;
    let added = match accounts.add_gym(slug, name(gym.name)?, now).await {
        Ok(added) => added,
        Err(AccountError::DuplicateGym(_)) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let people = gym.coaches.iter().map(|coach| (coach, Role::Coach));
    let people = people.chain(gym.athletes.iter().map(|athlete| (athlete, Role::Athlete)));
    let users = people.map(|(account, role)| new_user(account, role)).collect::<anyhow::Result<Vec<_>>>()?;
    accounts.add_users(&added, users, now).await?;
    let permissions: Permissions =
        "view_sessions,message,log_sets,edit_plans".parse().map_err(|error| anyhow!("{error}"))?;
    let links = gym.links.iter().map(|(coach, athlete)| {
        let email = |text: &str| text.parse().map_err(|error| anyhow!("{error}"));
        Ok(NewLink { coach: email(coach)?, athlete: email(athlete)?, permissions: permissions.clone() })
    });
    accounts.add_links(&added, &links.collect::<anyhow::Result<Vec<_>>>()?, now).await?;
    Workouts::new(store.db()).add(added.id, &gym.workouts, now).await?;
    store.close().await;
    Ok(true)
}

fn new_user(account: &Account, role: Role) -> anyhow::Result<NewUser> {
    Ok(NewUser {
        email: account.email.parse().map_err(|error| anyhow!("{error}"))?,
        name: Name::clipped(&account.name),
        role,
        password_hash: Some(Password::new(PASSWORD).hash()?),
    })
}

/// The address to reach the node at from this computer, also when it listens everywhere.
fn on_this_host(reachable: Reachable) -> String {
    let host = match reachable.public.ip() {
        ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
        ip => ip.to_string(),
    };
    format!("{host}:{}", reachable.public.port())
}

fn greet(gym: &DemoGym, reachable: Reachable, data_dir: &str, is_new: bool, speed: u32) {
    let began = if is_new { "a new gym" } else { "goes on where it ended" };
    let athlete = gym.athletes.first().map_or("", |athlete| &athlete.email);
    println!("\n  Spotter demo: {}, {began}; data in {data_dir}, {speed}× life's pace", gym.name);
    println!("  Open http://{}/ and sign in to the gym `{}`:\n", on_this_host(reachable), gym.slug);
    for coach in &gym.coaches {
        println!("    coach    {:<24} {PASSWORD}", coach.email);
    }
    println!("    athlete  {athlete:<24} {PASSWORD}");
    println!(
        "\n  The same wall in a terminal: spotter watch --gym {} --email {}",
        gym.slug, gym.coaches[0].email
    );
    println!("  Ctrl-C stops it.\n");
}
