//! `/gyms` on the admin listener: gyms that are made with everyone in them, and gyms that leave. Each request makes all
//! of what it names or nothing; to remove a gym, whoever wants it gone asks again until it is.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use spotter_protocol::{GymId, Name, Role, UserId};

use super::Api;
use super::body::ApiJson;
use super::problem::{Problem, ProblemKind};
use crate::accounts::{AccountError, Email, NewLink, NewUser, Permissions, Slug};
use crate::auth::{Password, PasswordError, Passwords};
use crate::removal::{Leaving, NotRemoved, Removal};

/// Accounts that one request makes: their passwords take seconds.
const USERS_MAX: usize = 500;
/// Links that one request makes: in a file, commits wait for the transaction they are made in.
const LINKS_MAX: usize = 1_000;

/// What the routes answer from.
#[derive(Clone)]
pub struct Gyms {
    /// The accounts.
    pub api: Arc<Api>,
    /// Hashes passwords.
    pub passwords: Arc<Passwords>,
    /// Removes gyms.
    pub removal: Removal,
}

/// A gym to be made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// How people name it when they sign in.
    pub slug: String,
    /// What it is called.
    pub name: Name,
}

/// A gym that was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct Made {
    /// Its id.
    pub id: GymId,
}

/// Who is in a gym.
#[derive(Debug, Serialize, Deserialize)]
pub struct People {
    /// Those who train.
    pub athletes: u64,
    /// Those who coach or run the gym.
    pub staff: u64,
    /// Whether its removal has begun.
    pub is_closed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedUsers {
    users: Vec<WantedUser>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedUser {
    email: String,
    name: Name,
    role: Role,
    #[serde(default)]
    password: Option<Password>,
}

#[derive(Serialize)]
struct MadeUsers {
    users: Vec<MadeUser>,
}

#[derive(Serialize)]
struct MadeUser {
    id: UserId,
    email: Email,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedLinks {
    links: Vec<WantedLink>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedLink {
    coach: String,
    athlete: String,
}

#[derive(Serialize)]
struct MadeLinks {
    links: usize,
}

/// The routes.
pub fn routes(gyms: Gyms) -> Router {
    Router::new()
        .route("/gyms", post(add))
        .route("/gyms/{slug}", get(people).delete(remove))
        .route("/gyms/{slug}/users", post(add_users))
        .route("/gyms/{slug}/links", post(add_links))
        .with_state(gyms)
}

async fn add(
    State(gyms): State<Gyms>,
    ApiJson(Wanted { slug, name }): ApiJson<Wanted>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    let slug = slug.parse().map_err(|form: &str| unreadable(format!("`{slug}` is no slug: {form}")))?;
    let name = named(name)?;
    let gym = gyms.api.accounts.add_gym(slug, name, gyms.api.clock.now()).await.map_err(told)?;
    Ok((StatusCode::CREATED, Json(Made { id: gym.id })))
}

async fn people(State(gyms): State<Gyms>, Path(slug): Path<String>) -> Result<Json<People>, Problem> {
    let census = gyms.api.accounts.census(&slug_of(&slug)?).await.map_err(told)?;
    let (athletes, staff, is_closed) = (census.athletes, census.staff, census.is_closed);
    Ok(Json(People { athletes, staff, is_closed }))
}

async fn add_users(
    State(gyms): State<Gyms>,
    Path(slug): Path<String>,
    ApiJson(WantedUsers { users }): ApiJson<WantedUsers>,
) -> Result<(StatusCode, Json<MadeUsers>), Problem> {
    bounded(users.len(), USERS_MAX, "accounts")?;
    let gym = gyms.api.accounts.gym(&slug).await.map_err(told)?;
    let mut wanted = Vec::with_capacity(users.len());
    let mut passwords = Vec::with_capacity(users.len());
    for WantedUser { email, name, role, password } in users {
        let (email, name) = (email_of(&email)?, named(name)?);
        if role == Role::Admin {
            return Err(unreadable(format!("{email}: a role is athlete, coach or gym_owner")));
        }
        wanted.push(NewUser { email, name, role, password_hash: None });
        passwords.push(password);
    }
    // One after another, so that those who sign in meanwhile have their turn. All are read before the first is hashed.
    for (user, password) in wanted.iter_mut().zip(passwords) {
        let Some(password) = password else { continue };
        let hash = gyms.passwords.hash(password).await;
        user.password_hash = Some(hash.map_err(|error| match error {
            PasswordError::Length => unreadable(format!("{}: {error}", user.email)),
            PasswordError::Busy | PasswordError::Hash(_) => Problem::unavailable(error),
        })?);
    }
    let added = gyms.api.accounts.add_users(&gym, wanted, gyms.api.clock.now()).await.map_err(told)?;
    let users = added.into_iter().map(|user| MadeUser { id: user.id, email: user.email }).collect();
    Ok((StatusCode::CREATED, Json(MadeUsers { users })))
}

async fn add_links(
    State(gyms): State<Gyms>,
    Path(slug): Path<String>,
    ApiJson(WantedLinks { links }): ApiJson<WantedLinks>,
) -> Result<(StatusCode, Json<MadeLinks>), Problem> {
    bounded(links.len(), LINKS_MAX, "links")?;
    let gym = gyms.api.accounts.gym(&slug).await.map_err(told)?;
    let mut wanted = Vec::with_capacity(links.len());
    for WantedLink { coach, athlete } in links {
        let (coach, athlete) = (email_of(&coach)?, email_of(&athlete)?);
        wanted.push(NewLink { coach, athlete, permissions: Permissions::usual() });
    }
    gyms.api.accounts.add_links(&gym, &wanted, gyms.api.clock.now()).await.map_err(told)?;
    Ok((StatusCode::CREATED, Json(MadeLinks { links: wanted.len() })))
}

async fn remove(State(gyms): State<Gyms>, Path(slug): Path<String>) -> Result<Json<Leaving>, Problem> {
    Ok(Json(gyms.removal.go_on(&slug_of(&slug)?).await?))
}

/// What is no slug names no gym.
fn slug_of(text: &str) -> Result<Slug, Problem> {
    text.parse().map_err(|_| Problem::new(ProblemKind::NotFound))
}

fn email_of(text: &str) -> Result<Email, Problem> {
    text.parse().map_err(|form: &str| unreadable(format!("`{text}` is no e-mail address: {form}")))
}

fn named(name: Name) -> Result<Name, Problem> {
    if name.as_str().trim().is_empty() {
        return Err(unreadable("a name has at least one character".to_owned()));
    }
    Ok(name)
}

fn bounded(count: usize, max: usize, what: &str) -> Result<(), Problem> {
    if count <= max {
        return Ok(());
    }
    Err(unreadable(format!("{count} {what} are too many for one request: send at most {max} at a time")))
}

fn unreadable(detail: String) -> Problem {
    Problem::saying(ProblemKind::BadRequest, detail)
}

/// Whoever asks here runs the node, and is told what they named wrongly.
fn told(error: AccountError) -> Problem {
    let kind = match &error {
        AccountError::UnknownGym(_) => ProblemKind::NotFound,
        AccountError::DuplicateGym(_)
        | AccountError::DuplicateEmail(_)
        | AccountError::UnknownUser(_)
        | AccountError::NotACoach(_)
        | AccountError::OnePerson(_)
        | AccountError::NotLinked(..) => ProblemKind::Refused,
        AccountError::Store(_) => return Problem::unavailable(error),
    };
    Problem::saying(kind, error.to_string())
}

impl From<NotRemoved> for Problem {
    fn from(error: NotRemoved) -> Self {
        match error {
            NotRemoved::Account(error) => told(error),
            NotRemoved::Fenced => Self::saying(ProblemKind::Unavailable, error.to_string()),
            NotRemoved::Store(error) => error.into(),
        }
    }
}
