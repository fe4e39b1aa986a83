//! Everybody's access token, renewed before it runs out for as long as a run lasts.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use spotter_client::{Api, ApiError, Pass};
use spotter_protocol::UserId;
use tokio::sync::{Mutex, watch};

use crate::athlete::now;
use crate::server::{Gym, Person};
use crate::tally::Tally;
use crate::target::Target;

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// A person's token, which changes.
pub(crate) type Token = watch::Receiver<String>;

/// The tokens of everybody.
#[derive(Debug)]
pub(crate) struct Tokens {
    held: BTreeMap<UserId, watch::Sender<String>>,
    /// When each is to be renewed.
    due: Mutex<Vec<(Instant, Renewal)>>,
}

/// Whose turn it is.
#[derive(Debug)]
enum Renewal {
    /// Somebody who signed in.
    Of(Box<Pass>),
    /// All, on a server that was started for the run: its own tool makes them.
    All,
}

#[derive(Deserialize)]
struct Claims {
    /// When it runs out, in seconds since 1970.
    exp: i64,
}

impl Tokens {
    /// The tokens of these people, who have just got them. Who did not sign in got one from the tool of a server that was
    /// started for the run.
    pub(crate) fn of(gyms: &[Gym], stranger: Option<&Person>) -> Self {
        let people = || gyms.iter().flat_map(|gym| gym.athletes.iter().chain(&gym.coaches)).chain(stranger);
        let passes = people().filter_map(|person| person.pass.clone());
        let mut due: Vec<_> =
            passes.map(|pass| (after(pass.expires_in.into()), Renewal::Of(Box::new(pass)))).collect();
        let made = people().find(|person| person.pass.is_none());
        due.extend(made.and_then(|person| Some((after(lasts(&person.token)?), Renewal::All))));
        let held = people().map(|person| (person.user, watch::Sender::new(person.token.clone()))).collect();
        Self { held, due: Mutex::new(due) }
    }

    /// Somebody's token, as it changes.
    pub(crate) fn follow(&self, user: UserId) -> Token {
        self.held.get(&user).map_or_else(|| watch::Sender::default().subscribe(), watch::Sender::subscribe)
    }

    /// Somebody's token, as it is now.
    pub(crate) fn now(&self, user: UserId) -> String {
        self.held.get(&user).map(|token| token.borrow().clone()).unwrap_or_default()
    }

    /// Renews every token when two thirds of its life are over, as clients do. Never ends; one run after another may do it.
    pub(crate) async fn keep(&self, target: &Target, tally: &Tally) -> Infallible {
        let apis: Vec<_> = target.nodes.in_turn().map(|node| Api::new(target.nodes.base(node))).collect();
        let mut apis = apis.iter().cycle();
        let mut due = self.due.lock().await;
        loop {
            let next = due.iter_mut().min_by_key(|(at, _)| *at);
            let Some((next, api)) = next.zip(apis.next()) else {
                return std::future::pending().await;
            };
            tokio::time::sleep_until(next.0.into()).await;
            let begun = Instant::now();
            match self.renew(&next.1, api, target).await {
                Ok(renewed) => {
                    tally.done("renew", begun);
                    *next = renewed;
                }
                Err(error) => {
                    tally.failed("renew", error.downcast_ref().map_or("tool", word));
                    next.0 = Instant::now() + AGAIN;
                }
            }
        }
    }

    async fn renew(
        &self,
        renewal: &Renewal,
        api: &Api,
        target: &Target,
    ) -> anyhow::Result<(Instant, Renewal)> {
        match renewal {
            Renewal::Of(pass) => {
                let pass = api.refresh(pass).await?;
                self.change(pass.user.id, pass.access_token.clone());
                Ok((after(pass.expires_in.into()), Renewal::Of(Box::new(pass))))
            }
            Renewal::All => {
                let made = target.anew().await?;
                let lasts = made
                    .first()
                    .and_then(|person| lasts(&person.token))
                    .context("a token that says nothing")?;
                made.into_iter().for_each(|person| self.change(person.user, person.token));
                Ok((after(lasts), Renewal::All))
            }
        }
    }

    fn change(&self, user: UserId, token: String) {
        if let Some(held) = self.held.get(&user) {
            held.send_replace(token);
        }
    }
}

/// When a token is renewed that lasts so many seconds from now.
fn after(lasts: u64) -> Instant {
    Instant::now() + Duration::from_secs(lasts) * 2 / 3
}

/// How many seconds a token is still good, by its own word.
fn lasts(token: &str) -> Option<u64> {
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    u64::try_from(exp - now().0 / 1_000_000).ok()
}

/// One word for why a token was not renewed.
fn word(error: &ApiError) -> &str {
    match error {
        ApiError::Refused { code, .. } => code,
        ApiError::Unreachable(_) => "unreachable",
    }
}
