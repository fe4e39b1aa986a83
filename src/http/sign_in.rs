//! `POST /api/v1/auth/login` and `/refresh`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::Deserialize;

use super::Api;
use super::body::ApiJson;
use super::listener::Peer;
use super::problem::{Problem, ProblemKind};
use crate::auth::{Password, SignInError, SignedIn};

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/api/v1/auth/login", post(login)).route("/api/v1/auth/refresh", post(refresh))
}

#[derive(Deserialize)]
struct Login {
    gym: String,
    email: String,
    password: Password,
}

#[derive(Deserialize)]
struct Refresh {
    refresh_token: String,
}

async fn login(
    State(api): State<Arc<Api>>,
    peer: Option<Extension<Peer>>,
    ApiJson(Login { gym, email, password }): ApiJson<Login>,
) -> Result<Response, Problem> {
    let from = peer.map(|Extension(Peer(address))| address);
    answer(api.sign_in.with_password(&gym, &email, password, from, api.clock.now()).await)
}

async fn refresh(
    State(api): State<Arc<Api>>,
    ApiJson(Refresh { refresh_token }): ApiJson<Refresh>,
) -> Result<Response, Problem> {
    answer(api.sign_in.with_refresh_token(&refresh_token, api.clock.now()).await)
}

fn answer(signed_in: Result<SignedIn, SignInError>) -> Result<Response, Problem> {
    let result = match &signed_in {
        Ok(_) => "ok",
        Err(SignInError::BadCredentials) => "bad_credentials",
        Err(SignInError::BadRefreshToken) => "bad_refresh_token",
        Err(SignInError::Throttled(_)) => "throttled",
        Err(SignInError::Busy) => "busy",
        Err(SignInError::Unavailable(_)) => "unavailable",
    };
    metrics::counter!("spotter_auth_attempts_total", "result" => result).increment(1);
    let signed_in = signed_in?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(signed_in)).into_response())
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::BadCredentials => Self::new(ProblemKind::BadCredentials),
            SignInError::BadRefreshToken => Self::new(ProblemKind::BadRefreshToken),
            SignInError::Throttled(wait) => Self::new(ProblemKind::TooManyAttempts).after(wait),
            SignInError::Busy => Self::new(ProblemKind::Busy),
            SignInError::Unavailable(_) => Self::unavailable(error),
        }
    }
}
