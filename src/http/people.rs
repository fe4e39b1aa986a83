//! `GET /api/v1/me` and `/people`: who the caller is and whom they may know of.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::Api;
use super::caller::Authenticated;
use super::problem::{Problem, ProblemKind};
use crate::accounts::{AccountError, User};
use crate::policy::Person;

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/api/v1/me", get(me)).route("/api/v1/people", get(people))
}

#[derive(Serialize)]
struct People {
    people: Vec<Person>,
}

async fn me(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<User>, Problem> {
    let user = api.accounts.user(caller.user).await?;
    user.map(Json).ok_or_else(|| Problem::new(ProblemKind::Unauthenticated))
}

async fn people(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
) -> Result<Json<People>, Problem> {
    Ok(Json(People { people: api.policy.visible_people(&caller).await? }))
}

impl From<AccountError> for Problem {
    /// The names in an [`AccountError`] are for operators; a client learns nothing from it.
    fn from(error: AccountError) -> Self {
        Self::unavailable(error)
    }
}
