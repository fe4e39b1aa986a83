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
use tokio::sync::watch;

use crate::athlete::now;
use crate::tally::Tally;
use crate::target::Target;

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// A person's token, which changes.
pub(crate) type Token = watch::Receiver<String>;

/// The tokens of everybody.
pub(crate) struct Tokens(BTreeMap<UserId, watch::Sender<String>>);

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
    pub(crate) fn of(target: &Target) -> Self {
        let people = target.gyms.iter().flat_map(|gym| gym.athletes.iter().chain(&gym.coaches));
        Self(people.map(|person| (person.user, watch::Sender::new(person.token.clone()))).collect())
    }

    /// Somebody's token, as it changes.
    pub(crate) fn follow(&self, user: UserId) -> Token {
        self.0.get(&user).map_or_else(|| watch::Sender::default().subscribe(), watch::Sender::subscribe)
    }

    /// Somebody's token, as it is now.
    pub(crate) fn now(&self, user: UserId) -> String {
        self.0.get(&user).map(|token| token.borrow().clone()).unwrap_or_default()
    }

    /// Renews every token when two thirds of its life are over, as clients do. Never ends.
    pub(crate) async fn keep(&self, target: &Target, tally: &Tally) -> Infallible {
        let api = Api::new(&target.base());
        let mut due = self.first(target);
        loop {
            let Some(next) = due.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(place, _)| place)
            else {
                return std::future::pending().await;
            };
            let (at, renewal) = due.swap_remove(next);
            tokio::time::sleep_until(at.into()).await;
            let begun = Instant::now();
            due.push(match self.renew(&renewal, &api, target).await {
                Ok(renewed) => {
                    tally.done("renew", begun);
                    renewed
                }
                Err(error) => {
                    tally.failed("renew", error.downcast_ref().map_or("tool", word));
                    (Instant::now() + AGAIN, renewal)
                }
            });
        }
    }

    fn first(&self, target: &Target) -> Vec<(Instant, Renewal)> {
        let people = || target.gyms.iter().flat_map(|gym| gym.athletes.iter().chain(&gym.coaches));
        let passes = people().filter_map(|person| person.pass.clone());
        let mut due: Vec<_> =
            passes.map(|pass| (after(pass.expires_in.into()), Renewal::Of(Box::new(pass)))).collect();
        if let (true, Some(lasts)) =
            (target.server.is_some(), people().next().and_then(|person| lasts(&person.token)))
        {
            due.push((after(lasts), Renewal::All));
        }
        due
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
                let made = target.tokens().await?;
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
        if let Some(held) = self.0.get(&user) {
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
