//! The server under load and the people who use it: one that was started for the run, or one that runs already.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::Url;
use spotter_client::{Api, ApiError};
use spotter_protocol::Role;

use crate::Plan;
use crate::postgres::Postgres;
use crate::scenario::Scenario;
use crate::server::{Gym, Kind, Person, Server};

/// How long a token must still be good after the run: it is not renewed.
const TOKEN_SPARE: Duration = Duration::from_secs(120);
/// What the names of gyms begin with that a load may fill.
const MARK: &str = "lt-";

/// A server and its people.
pub(crate) struct Target {
    /// As it was named.
    pub(crate) name: String,
    pub(crate) socket: String,
    pub(crate) metrics: Option<String>,
    pub(crate) gyms: Vec<Gym>,
    pub(crate) server: Option<Server>,
    /// What was started for the run.
    pub(crate) database: Option<&'static str>,
    /// It answers and keeps nothing, so there is nothing to read again.
    pub(crate) is_echo: bool,
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
    /// A line each: gym, e-mail, password.
    pub(crate) people: &'a Path,
}

impl Target {
    /// Starts a server and fills it. It ends with the target.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(
        program: PathBuf,
        postgres: Option<Postgres>,
        scenario: &Scenario,
    ) -> anyhow::Result<Self> {
        let plan = Plan { kind: Kind::Spotter, server: program, quick: false, postgres };
        let mut server = Server::prepare(&plan).await?;
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
            gyms,
            server: Some(server),
            database: Some(plan.database()),
            is_echo: false,
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
        let rows = std::fs::read_to_string(running.people).context("the file of people cannot be read")?;
        let mut gyms: Vec<(String, Gym)> = Vec::new();
        for row in rows.lines().filter(|row| !row.trim().is_empty()) {
            let mut fields = row.splitn(3, ',').map(str::trim);
            let (Some(slug), Some(email), Some(password)) = (fields.next(), fields.next(), fields.next())
            else {
                return Err(anyhow::anyhow!("each line of people is gym,e-mail,password").into());
            };
            if !slug.starts_with(MARK) {
                return Err(anyhow::anyhow!(
                    "gym {slug}: a load fills only gyms whose names begin with {MARK}"
                )
                .into());
            }
            let pass = api.login(slug, email, password).await.map_err(|error| match error {
                ApiError::Unreachable(_) => NoTarget::Unreachable(error.into()),
                ApiError::Refused { .. } => {
                    NoTarget::Refused(anyhow::Error::from(error).context(format!("{email} cannot sign in")))
                }
            })?;
            let lasts = Duration::from_secs(pass.expires_in.into());
            if lasts < scenario.length() + TOKEN_SPARE {
                return Err(
                    anyhow::anyhow!("a token lasts {lasts:?}, which is too short for this scenario").into()
                );
            }
            let place = gyms.iter().position(|(known, _)| known == slug).unwrap_or_else(|| {
                gyms.push((slug.to_owned(), Gym::default()));
                gyms.len() - 1
            });
            let person = Person { user: pass.user.id, token: pass.access_token };
            match pass.user.role {
                Role::Athlete => gyms[place].1.athletes.push(person),
                Role::Coach => gyms[place].1.coaches.push(person),
                Role::GymOwner | Role::Admin => {}
            }
        }
        let gyms = gyms.into_iter().map(|(slug, gym)| enough(&slug, gym, scenario));
        let gyms: Vec<Gym> = gyms.take(scenario.gyms.into()).collect::<anyhow::Result<_>>()?;
        if gyms.len() < usize::from(scenario.gyms) {
            return Err(anyhow::anyhow!("the scenario needs {} gyms", scenario.gyms).into());
        }
        Ok(Self {
            name: running.url.to_owned(),
            socket: api.socket(),
            metrics: metrics.map(String::from),
            gyms,
            server: None,
            database: None,
            is_echo: false,
        })
    }

    /// An athlete by gym, and by number of all athletes of the run.
    pub(crate) fn athlete(&self, gym: u16, athlete: u32) -> &Person {
        let athletes = &self.gyms[usize::from(gym)].athletes;
        &athletes[athlete as usize % athletes.len()]
    }
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
fn permitted(url: &str, allowed: Option<&str>) -> anyhow::Result<Url> {
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

    #[test]
    fn what_the_harness_does_not_speak_is_refused() {
        assert!(permitted("wss://127.0.0.1:8080", None).is_err());
        assert!(permitted("127.0.0.1:8080", None).is_err());
    }
}
