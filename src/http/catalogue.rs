//! `GET /api/v1/exercises` and `/workouts/{id}`: what is trained.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use spotter_protocol::Workout;

use super::Api;
use super::body::ApiQuery;
use super::caller::Authenticated;
use super::problem::{Problem, ProblemKind};
use crate::catalogue::catalogue;
use crate::workouts::WorkoutError;

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/api/v1/exercises", get(exercises)).route("/api/v1/workouts/{id}", get(workout))
}

#[derive(Deserialize)]
struct Which {
    revision: Option<u32>,
}

async fn exercises(Authenticated(_): Authenticated, headers: HeaderMap) -> Response {
    let catalogue = catalogue();
    let caching = [(ETAG, catalogue.etag.as_str()), (CACHE_CONTROL, "private, no-cache")];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == catalogue.etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, "application/json")], catalogue.body.clone()).into_response()
}

/// Any workout of the caller's gym, by id: an athlete is sent the id with the session that follows it.
async fn workout(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    Path(id): Path<String>,
    ApiQuery(Which { revision }): ApiQuery<Which>,
) -> Result<Json<Workout>, Problem> {
    let not_found = || Problem::new(ProblemKind::NotFound);
    let id = id.parse().map_err(|_| not_found())?;
    api.workouts.get(caller.gym, id, revision).await?.map(Json).ok_or_else(not_found)
}

impl From<WorkoutError> for Problem {
    fn from(error: WorkoutError) -> Self {
        Self::unavailable(error)
    }
}
