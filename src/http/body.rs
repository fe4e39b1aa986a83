//! Bodies and queries, refused as problems when they do not fit.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Problem, ProblemKind};

/// How long a client may take for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body.
pub(super) struct ApiJson<T>(pub(super) T);

/// The part of an address after `?`.
pub(super) struct ApiQuery<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ApiJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = tokio::time::timeout(BODY_TIMEOUT, Json::from_request(request, state)).await;
        let read: Result<Json<T>, JsonRejection> =
            read.map_err(|_| Problem::saying(ProblemKind::BadRequest, "the body came too slowly"))?;
        read.map(|Json(value)| Self(value)).map_err(|rejection| {
            let kind = match rejection.status() {
                StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemKind::UnsupportedMediaType,
                StatusCode::PAYLOAD_TOO_LARGE => ProblemKind::TooLarge,
                StatusCode::UNPROCESSABLE_ENTITY => ProblemKind::BadRequest,
                _ => ProblemKind::BadJson,
            };
            Problem::saying(kind, rejection.body_text())
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        read.map(|Query(value)| Self(value))
            .map_err(|rejection| Problem::saying(ProblemKind::BadRequest, rejection.body_text()))
    }
}
