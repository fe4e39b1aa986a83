//! Who uses a server that runs already: people of a file, or of gyms that are made for the run over the server's admin
//! listener, and removed when it is over, however it ends.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::scenario::Scenario;
use crate::target::{Account, MARK, NoTarget, accounts, permitted};

/// Accounts and links that one request makes.
const USERS_AT_ONCE: usize = 250;
const LINKS_AT_ONCE: usize = 1_000;
/// How long an answer may take: passwords of so many accounts are hashed.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// How often in a row a removal may fail before it is given up, and how long to wait in between.
const TRIES: u32 = 5;
const WAIT: Duration = Duration::from_millis(200);

/// Who uses a server that runs already, as the command line says it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Who {
    /// Who uses it, a line each: gym,e-mail,password. Gyms are named lt-…; each coach is linked with each athlete
    #[arg(long, requires = "target", group = "who")]
    people: Option<PathBuf>,
    /// The admin listener of that server: gyms named lt-… are made there for the run, and removed when it is over, however
    /// it ends: http://host:port
    #[arg(long, value_name = "URL", requires = "target", group = "who")]
    admin: Option<String>,
    /// Leave those gyms there
    #[arg(long, requires = "admin")]
    keep_gyms: bool,
}

impl Who {
    /// Everybody who can sign in, and the gyms that were made for them. The admin listener is on this machine or on the
    /// host that is `allowed`.
    ///
    /// # Errors
    /// When the file cannot be read, or not all can be made: then none of them stays.
    pub(crate) async fn come(
        &self,
        scenario: &Scenario,
        allowed: Option<&str>,
    ) -> Result<(Option<MadeGyms>, Vec<Account>), NoTarget> {
        match (&self.admin, &self.people) {
            (Some(admin), _) => {
                let (made, people) =
                    MadeGyms::make(&permitted(admin, allowed)?, scenario, self.keep_gyms).await?;
                Ok((Some(made), people))
            }
            (None, Some(people)) => Ok((None, accounts(people)?)),
            (None, None) => Ok((None, Vec::new())),
        }
    }

    /// Where the server says how it is: as named, or else at its admin listener, when that is known.
    ///
    /// # Errors
    /// When that is no address.
    pub(crate) fn metrics(&self, named: &[String]) -> anyhow::Result<Vec<String>> {
        let admin = self.admin.as_ref().filter(|_| named.is_empty());
        let Some(admin) = admin else { return Ok(named.to_vec()) };
        let admin = Url::parse(admin).with_context(|| format!("{admin} is no address"))?;
        Ok(vec![admin.join("/metrics").context("an address without a host")?.into()])
    }
}

/// An admin listener.
#[derive(Clone)]
struct Admin {
    http: Client,
    url: String,
}

/// The gyms of a run. Dropped, they are removed, and all that was done in them.
pub(crate) struct MadeGyms {
    admin: Admin,
    slugs: Vec<String>,
    keep: bool,
}

impl MadeGyms {
    /// Makes the gyms of a scenario, each coach linked with each athlete of theirs, and answers who can sign in.
    ///
    /// # Errors
    /// When not all can be made: none of them stays then.
    async fn make(url: &Url, scenario: &Scenario, keep: bool) -> Result<(Self, Vec<Account>), NoTarget> {
        let admin = Admin::of(url)?;
        let run = Uuid::new_v4().simple().to_string();
        let mut made = Self { admin, slugs: Vec::new(), keep: false };
        let mut accounts = Vec::new();
        for number in 0..scenario.gyms {
            let slug = format!("{MARK}{}-{number}", &run[..8]);
            made.slugs.push(slug.clone());
            accounts.extend(made.admin.make(slug, scenario).await?);
        }
        if keep {
            eprintln!("the gyms {} stay after the run", made.slugs.join(", "));
        }
        made.keep = keep;
        Ok((made, accounts))
    }
}

impl Drop for MadeGyms {
    /// On a thread of its own: whoever was told to stop still removes what they made.
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        let (admin, slugs) = (self.admin.clone(), std::mem::take(&mut self.slugs));
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            for slug in slugs {
                if let Err(error) = runtime.block_on(admin.remove(&slug)) {
                    eprintln!(
                        "error: gym {slug} may be left ({error:#}): spotter gym remove --slug {slug} --yes --admin {}",
                        admin.url
                    );
                }
            }
            std::io::Result::Ok(())
        });
        if !matches!(removing.join(), Ok(Ok(()))) {
            eprintln!(
                "error: gyms that begin with {MARK} may be left: the system gave no thread to remove them"
            );
        }
    }
}

impl Admin {
    fn of(url: &Url) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(ANSWER_WITHIN).no_proxy();
        let http = client.redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, url: url.as_str().trim_end_matches('/').to_owned() })
    }

    async fn make(&self, slug: String, scenario: &Scenario) -> Result<Vec<Account>, NoTarget> {
        self.post("/gyms", json!({ "slug": slug, "name": "Load" })).await?;
        let account = |kind: char| {
            let slug = slug.clone();
            move |number: u32| Account {
                email: format!("{kind}{number}@{slug}.example"),
                gym: slug.clone(),
                password: Uuid::new_v4().to_string(),
            }
        };
        let coaches: Vec<Account> = (0..scenario.gym.coaches).map(account('c')).collect();
        let athletes: Vec<Account> = (0..scenario.gym.athletes).map(account('a')).collect();
        let user = |role: &'static str| move |Account { email, password, .. }: &Account| json!({ "email": email, "name": email, "role": role, "password": password });
        let users = coaches.iter().map(user("coach")).chain(athletes.iter().map(user("athlete")));
        for users in users.collect::<Vec<_>>().chunks(USERS_AT_ONCE) {
            self.post(&format!("/gyms/{slug}/users"), json!({ "users": users })).await?;
        }
        let links = coaches.iter().flat_map(|coach| {
            athletes.iter().map(|athlete| json!({ "coach": coach.email, "athlete": athlete.email }))
        });
        for links in links.collect::<Vec<_>>().chunks(LINKS_AT_ONCE) {
            self.post(&format!("/gyms/{slug}/links"), json!({ "links": links })).await?;
        }
        Ok([coaches, athletes].concat())
    }

    async fn post(&self, path: &str, body: Value) -> Result<(), NoTarget> {
        let (status, answer) = self.ask(Method::POST, path, Some(body)).await.map_err(|error| {
            NoTarget::Unreachable(anyhow::Error::from(error).context("no admin listener answers"))
        })?;
        if status != StatusCode::CREATED {
            let why = answer["detail"].as_str().unwrap_or("no gyms can be made there");
            return Err(NoTarget::Refused(anyhow!("{}{path}: {status}: {why}", self.url)));
        }
        Ok(())
    }

    /// Asks until a gym is gone.
    async fn remove(&self, slug: &str) -> anyhow::Result<()> {
        let path = format!("/gyms/{slug}");
        let mut failures = 0;
        loop {
            let why = match self.ask(Method::DELETE, &path, None).await {
                Ok((StatusCode::NOT_FOUND, _)) => return Ok(()),
                Ok((StatusCode::OK, answer)) if answer["state"] == "whole" => return Ok(()),
                Ok((StatusCode::OK, answer)) => {
                    failures = 0;
                    if answer["awake"] != 0 {
                        tokio::time::sleep(WAIT).await;
                    }
                    continue;
                }
                Ok((status, answer)) => {
                    anyhow!("{status}: {}", answer["detail"].as_str().unwrap_or_default())
                }
                Err(error) => error.into(),
            };
            failures += 1;
            if failures == TRIES {
                bail!(why.context("it cannot be removed"));
            }
            tokio::time::sleep(WAIT).await;
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await?;
        Ok((answer.status(), answer.json().await.unwrap_or_default()))
    }
}
