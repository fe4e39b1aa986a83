//! `/quarantine` and `/dead-letters` on the admin listener: entities that keep failing, and commands that were
//! given up.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use spotter_actors::{DeadLetter, DeadLetterId, Engine, StoreError};
use spotter_protocol::{Address, CommandId, GymId, Persistence, Timestamp, UserId, Version};
use uuid::Uuid;

use super::body::ApiJson;
use super::problem::{Problem, ProblemKind};

/// The entities in quarantine, longest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct Quarantine {
    /// One entry an entity.
    pub quarantined: Vec<Held>,
}

/// An entity in quarantine.
#[derive(Debug, Serialize, Deserialize)]
pub struct Held {
    /// `kind/owner/id`.
    pub address: String,
    /// The tenant.
    pub gym: GymId,
    /// Since when.
    pub since: Timestamp,
    /// Failures in a row.
    pub failures: u32,
    /// The last of them.
    pub error: String,
}

/// Which entity to release.
#[derive(Debug, Serialize, Deserialize)]
pub struct Release {
    /// `kind/owner/id`.
    pub address: String,
}

/// The commands that were given up, newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct GivenUp {
    /// One entry a command.
    pub dead_letters: Vec<Letter>,
}

/// A command that was given up.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter {
    /// Names it in `offer` and `discard`.
    pub id: Uuid,
    /// The tenant.
    pub gym: GymId,
    /// The entity: `kind/owner/id`.
    pub address: String,
    /// Who sent it.
    pub author: UserId,
    /// The command's id.
    pub command: CommandId,
    /// The command's name.
    pub kind: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// When it was given up.
    pub given_up_at: Timestamp,
    /// How the entity failed on it.
    pub why: String,
    /// The frame as it came.
    pub frame: Box<RawValue>,
}

/// A command that was accepted at last.
#[derive(Debug, Serialize, Deserialize)]
pub struct Accepted {
    /// The version that holds its events.
    pub v: Version,
}

/// The routes.
pub fn routes(engine: Arc<Engine>) -> Router {
    Router::new()
        .route("/quarantine", get(quarantined))
        .route("/quarantine/release", post(release))
        .route("/dead-letters", get(dead_letters))
        .route("/dead-letters/{id}/offer", post(offer))
        .route("/dead-letters/{id}", delete(discard))
        .with_state(engine)
}

async fn quarantined(State(engine): State<Arc<Engine>>) -> Json<Quarantine> {
    let held = engine.quarantined().into_iter().map(|held| Held {
        address: held.address.to_string(),
        gym: held.gym,
        since: held.since,
        failures: held.failures,
        error: held.error,
    });
    Json(Quarantine { quarantined: held.collect() })
}

async fn release(
    State(engine): State<Arc<Engine>>,
    ApiJson(release): ApiJson<Release>,
) -> Result<StatusCode, Problem> {
    let address: Address =
        release.address.parse().map_err(|form: &str| Problem::saying(ProblemKind::BadRequest, form))?;
    found(engine.release(address))
}

async fn dead_letters(State(engine): State<Arc<Engine>>) -> Result<Json<GivenUp>, Problem> {
    let letters = engine.dead_letters().await?;
    let shown = letters.into_iter().filter_map(shown);
    Ok(Json(GivenUp { dead_letters: shown.collect() }))
}

async fn offer(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Result<Json<Accepted>, Problem> {
    match engine.offer_again(dead_letter(&id)?).await? {
        Some(Ok(done)) => Ok(Json(Accepted { v: done.version })),
        Some(Err(fault)) if fault.kind == Persistence::Temporary => {
            Err(Problem::saying(ProblemKind::Unavailable, fault.to_string()))
        }
        Some(Err(fault)) => Err(Problem::saying(ProblemKind::Refused, fault.to_string())),
        None => Err(Problem::new(ProblemKind::NotFound)),
    }
}

async fn discard(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    found(engine.discard(dead_letter(&id)?).await?)
}

fn dead_letter(id: &str) -> Result<DeadLetterId, Problem> {
    id.parse().map(DeadLetterId).map_err(|_| Problem::new(ProblemKind::NotFound))
}

fn found(is_found: bool) -> Result<StatusCode, Problem> {
    if is_found { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::new(ProblemKind::NotFound)) }
}

/// The frame was written by this program and is JSON.
fn shown(letter: DeadLetter) -> Option<Letter> {
    Some(Letter {
        id: letter.id.0,
        gym: letter.gym,
        address: letter.address.to_string(),
        author: letter.author,
        command: letter.command,
        kind: letter.kind,
        received_at: letter.received_at,
        given_up_at: letter.given_up_at,
        why: letter.why,
        frame: RawValue::from_string(letter.frame).ok()?,
    })
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::unavailable(error)
    }
}

#[cfg(test)]
pub(crate) mod tests;
