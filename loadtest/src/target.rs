//! The server under load and the people who use it: one that was started for the run, or one that runs already.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use spotter_client::{Api, ApiError, Pass};
use spotter_protocol::Role;
use tokio::net::TcpStream;

use crate::admin::MadeGyms;
use crate::cluster::Cluster;
use crate::nodes::Nodes;
use crate::scenario::Scenario;
use crate::server::{Gym, Person, Server};
use crate::tokens::Tokens;

/// What the names of gyms begin with that a load may fill.
pub(crate) const MARK: &str = "lt-";
/// How long it may take to be heard.
const LISTENS_WITHIN: Duration = Duration::from_secs(2);

/// A server and its people.
pub(crate) struct Target {
    /// As it was named.
    pub(crate) name: String,
    pub(crate) nodes: Nodes,
    /// Where they say how they are, as far as that is known.
    pub(crate) metrics: Vec<String>,
    pub(crate) gyms: Vec<Gym>,
    pub(crate) tokens: Tokens,
    pub(crate) cluster: Option<Cluster>,
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
    /// Of its nodes, one at least.
    pub(crate) urls: &'a [String],
    /// The host that may be loaded although it is not this one.
    pub(crate) allowed: Option<&'a str>,
    pub(crate) metrics: &'a [String],
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
    /// Fills a server and starts it. It ends with the target; what it says goes into the folder. Sessions rest after that
    /// time, or not at all.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) async fn start(
        mut cluster: Cluster,
        scenario: &Scenario,
        rests_after: Option<Duration>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let mut gyms = Vec::new();
        for gym in 0..scenario.gyms {
            let (athletes, coaches) = (scenario.gym.athletes as usize, scenario.gym.coaches as usize);
            gyms.push(cluster.node(0).add_gym(&format!("{MARK}{gym}"), athletes, coaches).await?);
        }
        cluster.start(rests_after, folder).await?;
        let nodes = cluster.nodes().iter();
        let addresses = |scheme| nodes.clone().map(move |node| node.address(scheme));
        Ok(Self {
            name: addresses("ws").collect::<Vec<_>>().join(", "),
            nodes: Nodes::at(addresses("http")),
            metrics: nodes.clone().map(Server::metrics).collect(),
            tokens: Tokens::of(&gyms, None),
            gyms,
            database: Some(cluster.database()),
            cluster: Some(cluster),
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
        let all = |urls: &[String]| {
            urls.iter().map(|url| permitted(url, running.allowed)).collect::<anyhow::Result<Vec<_>>>()
        };
        if running.urls.is_empty() {
            return Err(anyhow::anyhow!("no server is named").into());
        }
        let metrics = all(running.metrics)?;
        let nodes = Nodes::at(all(running.urls)?.iter().map(base));
        let apis: Vec<_> = nodes.in_turn().map(|node| Api::new(nodes.base(node))).collect();
        let mut gyms: Vec<(String, Gym)> = Vec::new();
        for (account, api) in running.people.iter().zip(apis.iter().cycle()) {
            let slug = &account.gym;
            let pass = sign_in(api, account).await?;
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
            Some(account) => Some(sign_in(&apis[0], account).await?.into()),
            None => None,
        };
        Ok(Self {
            name: running.urls.join(", "),
            nodes,
            metrics: metrics.into_iter().map(String::from).collect(),
            tokens: Tokens::of(&gyms, stranger.as_ref()),
            gyms,
            cluster: None,
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
        match self.cluster {
            Some(cluster) => cluster.end().await,
            None => Ok(()),
        }
    }

    /// Whether somebody listens where it should be.
    pub(crate) async fn listens(&self) -> bool {
        for node in self.nodes.in_turn() {
            let connecting = TcpStream::connect(self.nodes.base(node).trim_start_matches("http://"));
            if matches!(tokio::time::timeout(LISTENS_WITHIN, connecting).await, Ok(Ok(_))) {
                return true;
            }
        }
        false
    }

    /// Everybody with a new token, from a server that was started for the run.
    ///
    /// # Errors
    /// When its tool fails.
    pub(crate) async fn anew(&self) -> anyhow::Result<Vec<Person>> {
        let mut people = Vec::new();
        if let Some(cluster) = &self.cluster {
            for gym in 0..self.gyms.len() {
                let Gym { athletes, coaches } = cluster.node(0).gym(&format!("{MARK}{gym}")).await?;
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

/// Where the API of a server is whose sockets are opened there.
fn base(url: &Url) -> String {
    format!("http://{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80))
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
        let here = format!("http://{}", listener.local_addr().unwrap());
        let target = Target {
            nodes: Nodes::at([here]),
            name: String::new(),
            metrics: Vec::new(),
            gyms: Vec::new(),
            tokens: Tokens::of(&[], None),
            cluster: None,
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
