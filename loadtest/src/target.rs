//! The server under load and the people who use it: one that was started for the run, or one that runs already.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use spotter_client::{Api, ApiError, Pass};
use spotter_protocol::Role;
use tokio::net::TcpStream;

use crate::Plan;
use crate::admin::MadeGyms;
use crate::postgres::Postgres;
use crate::scenario::Scenario;
use crate::server::{Gym, Kind, Person, Server};
use crate::tokens::Tokens;

/// What the names of gyms begin with that a load may fill.
pub(crate) const MARK: &str = "lt-";
/// How long it may take to be heard.
const LISTENS_WITHIN: Duration = Duration::from_secs(2);

/// A server and its people.
pub(crate) struct Target {
    /// As it was named.
    pub(crate) name: String,
    pub(crate) socket: String,
    pub(crate) metrics: Option<String>,
    pub(crate) gyms: Vec<Gym>,
    pub(crate) tokens: Tokens,
    pub(crate) server: Option<Server>,
    /// What was started for the run.
    pub(crate) database: Option<&'static str>,
    /// It answers and keeps nothing, so there is nothing to read again.
    pub(crate) is_echo: bool,
    /// Somebody of a gym that is not among these.
    pub(crate) stranger: Option<Person>,
    /// What was made for the run on a server that runs, removed with the target.
    pub(crate) made: Option<MadeGyms>,
}

/// Why there is no target.
#[derive(Debug)]
pub(crate) enum NoTarget {
    /// It is not there.
    Unreachable(anyhow::Error),
    /// It may not be used like that.
    Refused(anyhow::Error),
}

impl From<anyhow::Error> for NoTarget {
    fn from(error: anyhow::Error) -> Self {
        Self::Refused(error)
    }
}

/// A server that runs already, as the command line names it.
pub(crate) struct Running<'a> {
    pub(crate) url: &'a str,
    /// The host that may be loaded although it is not this one.
    pub(crate) allowed: Option<&'a str>,
    pub(crate) metrics: Option<&'a str>,
    pub(crate) people: &'a [Account],
    /// Somebody of a gym that another generator loads.
    pub(crate) stranger: Option<&'a Account>,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) gym: String,
    pub(crate) email: String,
    pub(crate) password: String,
}

/// The accounts of a file, a line each: gym, e-mail, password.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn accounts(file: &Path) -> anyhow::Result<Vec<Account>> {
    let rows = std::fs::read_to_string(file).context("the file of people cannot be read")?;
    let account = |row: &str| {
        let mut fields = row.splitn(3, ',').map(|field| field.trim().to_owned());
        let account = fields.next().zip(fields.next()).zip(fields.next());
        let ((gym, email), password) = account.context("each line of people is gym,e-mail,password")?;
        Ok(Account { gym, email, password })
    };
    rows.lines().filter(|row| !row.trim().is_empty()).map(account).collect()
}

impl Target {
    /// Starts a server and fills it. It ends with the target; what it says goes to `log`.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(
        program: PathBuf,
        postgres: Option<Postgres>,
        scenario: &Scenario,
        rests_after: Option<Duration>,
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let plan = Plan { kind: Kind::Spotter, server: program, quick: false, postgres };
        let mut server = Server::prepare(&plan).await?;
        server.rests_after = rests_after.unwrap_or(server.rests_after);
        server.log = Some(log);
        let mut gyms = Vec::new();
        for gym in 0..scenario.gyms {
            let (athletes, coaches) = (scenario.gym.athletes as usize, scenario.gym.coaches as usize);
            gyms.push(server.add_gym(&format!("{MARK}{gym}"), athletes, coaches).await?);
        }
        server.start().await?;
        let socket = server.socket();
        Ok(Self {
            name: socket.trim_end_matches("/v1/socket").to_owned(),
            socket,
            metrics: Some(server.metrics()),
            tokens: Tokens::of(&gyms, None),
            gyms,
            server: Some(server),
            database: Some(plan.database()),
            is_echo: false,
            stranger: None,
            made: None,
        })
    }

    /// Signs people in on a server that runs.
    ///
    /// # Errors
    /// See [`NoTarget`].
    pub(crate) async fn join(running: &Running<'_>, scenario: &Scenario) -> Result<Self, NoTarget> {
        let url = permitted(running.url, running.allowed)?;
        let metrics = running.metrics.map(|metrics| permitted(metrics, running.allowed)).transpose()?;
        let base = format!(
            "http://{}:{}",
            url.host_str().unwrap_or_default(),
            url.port_or_known_default().unwrap_or(80)
        );
        let api = Api::new(&base);
        let mut gyms: Vec<(String, Gym)> = Vec::new();
        for account in running.people {
            let slug = &account.gym;
            let pass = sign_in(&api, account).await?;
            let place = gyms.iter().position(|(known, _)| known == slug).unwrap_or_else(|| {
                gyms.push((slug.clone(), Gym::default()));
                gyms.len() - 1
            });
            match pass.user.role {
                Role::Athlete => gyms[place].1.athletes.push(pass.into()),
                Role::Coach => gyms[place].1.coaches.push(pass.into()),
                Role::GymOwner | Role::Admin => {}
            }
        }
        let gyms = gyms.into_iter().map(|(slug, gym)| enough(&slug, gym, scenario));
        let gyms: Vec<Gym> = gyms.take(scenario.gyms.into()).collect::<anyhow::Result<_>>()?;
        if gyms.len() < usize::from(scenario.gyms) {
            return Err(anyhow::anyhow!("the scenario needs {} gyms", scenario.gyms).into());
        }
        let stranger = match running.stranger {
            Some(account) => Some(sign_in(&api, account).await?.into()),
            None => None,
        };
        Ok(Self {
            name: running.url.to_owned(),
            socket: api.socket(),
            metrics: metrics.map(String::from),
            tokens: Tokens::of(&gyms, stranger.as_ref()),
            gyms,
            server: None,
            database: None,
            is_echo: false,
            stranger,
            made: None,
        })
    }

    /// Ends the server, if it was started for the run, or removes the gyms that were made for it.
    ///
    /// # Errors
    /// When it does not end well.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        drop(self.made);
        match self.server {
            Some(server) => server.end().await,
            None => Ok(()),
        }
    }

    /// Whether somebody listens where it should be.
    pub(crate) async fn listens(&self) -> bool {
        let base = self.base();
        let connecting = TcpStream::connect(base.trim_start_matches("http://"));
        matches!(tokio::time::timeout(LISTENS_WITHIN, connecting).await, Ok(Ok(_)))
    }

    /// Where its API is.
    pub(crate) fn base(&self) -> String {
        format!("http{}", self.socket.trim_start_matches("ws").trim_end_matches("/v1/socket"))
    }

    /// Everybody with a new token, from a server that was started for the run.
    ///
    /// # Errors
    /// When its tool fails.
    pub(crate) async fn anew(&self) -> anyhow::Result<Vec<Person>> {
        let mut people = Vec::new();
        if let Some(server) = &self.server {
            for gym in 0..self.gyms.len() {
                let Gym { athletes, coaches } = server.gym(&format!("{MARK}{gym}")).await?;
                people.extend(athletes.into_iter().chain(coaches));
            }
        }
        Ok(people)
    }

    /// An athlete by gym, and by number of all athletes of the run.
    pub(crate) fn athlete(&self, gym: u16, athlete: u32) -> &Person {
        let athletes = &self.gyms[usize::from(gym)].athletes;
        &athletes[athlete as usize % athletes.len()]
    }
}

async fn sign_in(api: &Api, account: &Account) -> Result<Pass, NoTarget> {
    let Account { gym, email, password } = account;
    if !gym.starts_with(MARK) {
        let why = anyhow::anyhow!("gym {gym}: a load fills only gyms whose names begin with {MARK}");
        return Err(why.into());
    }
    api.login(gym, email, password).await.map_err(|error| match error {
        ApiError::Unreachable(_) => NoTarget::Unreachable(error.into()),
        ApiError::Refused { .. } => {
            NoTarget::Refused(anyhow::Error::from(error).context(format!("{email} cannot sign in")))
        }
    })
}

/// As many people as the scenario asks for.
fn enough(slug: &str, mut gym: Gym, scenario: &Scenario) -> anyhow::Result<Gym> {
    for (what, people, asked) in [
        ("athletes", &mut gym.athletes, scenario.gym.athletes as usize),
        ("coaches", &mut gym.coaches, scenario.gym.coaches as usize),
    ] {
        ensure!(people.len() >= asked, "gym {slug} has {} {what}, the scenario needs {asked}", people.len());
        people.truncate(asked);
    }
    Ok(gym)
}

/// The address, if a load may go there: to this machine, or to the host that was named besides.
pub(crate) fn permitted(url: &str, allowed: Option<&str>) -> anyhow::Result<Url> {
    let parsed = Url::parse(url).with_context(|| format!("{url} is no address"))?;
    ensure!(["ws", "http"].contains(&parsed.scheme()), "{url}: the harness speaks ws:// and http:// only");
    let host = parsed.host_str().context("an address without a host")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let here = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if !here && allowed != Some(bare) {
        bail!("{bare} is not this machine: if it is yours to load, say so with --i-own {bare}");
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_stays_on_this_machine_unless_the_host_is_named() {
        for here in ["ws://127.0.0.1:8080", "ws://localhost:8080", "http://[::1]:8081/metrics"] {
            assert!(permitted(here, None).is_ok(), "{here}");
        }
        assert!(
            permitted("ws://gym.example:8080", None).unwrap_err().to_string().contains("--i-own gym.example")
        );
        assert!(permitted("ws://gym.example:8080", Some("gym.example")).is_ok());
        assert!(permitted("ws://gym.example:8080", Some("other.example")).is_err());
        assert!(permitted("ws://localhost.example", None).is_err());
    }

    #[tokio::test]
    async fn a_target_is_there_as_long_as_somebody_listens() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = format!("ws://{}", listener.local_addr().unwrap());
        let target = Target {
            socket: format!("{name}/v1/socket"),
            name,
            metrics: None,
            gyms: Vec::new(),
            tokens: Tokens::of(&[], None),
            server: None,
            database: None,
            is_echo: false,
            stranger: None,
            made: None,
        };
        assert!(target.listens().await);
        drop(listener);
        assert!(!target.listens().await);
    }

    #[test]
    fn what_the_harness_does_not_speak_is_refused() {
        assert!(permitted("wss://127.0.0.1:8080", None).is_err());
        assert!(permitted("127.0.0.1:8080", None).is_err());
    }
}
