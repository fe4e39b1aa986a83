//! Errors as RFC 9457 problem details. The layer around all routes writes the body, where the request's id is known.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::policy::Denied;

/// The stable kinds of problem. Codes are added, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The body or the query is not what the route reads.
    BadRequest,
    /// The body is not JSON.
    BadJson,
    /// The body is said to be something other than JSON.
    UnsupportedMediaType,
    /// The body is too large.
    TooLarge,
    /// No token, or not a valid one.
    Unauthenticated,
    /// The token was good and has expired.
    TokenExpired,
    /// Gym, e-mail or password is wrong.
    BadCredentials,
    /// The refresh token is unknown, used or expired.
    BadRefreshToken,
    /// Too many sign-ins failed of late.
    TooManyAttempts,
    /// Absent, another gym's, or not allowed.
    NotFound,
    /// The address exists, the method does not.
    MethodNotAllowed,
    /// The entity refuses the command.
    Refused,
    /// Too much at once.
    Busy,
    /// The store is away, or the node is stopping.
    Unavailable,
    /// A defect of the server.
    Internal,
}

impl ProblemKind {
    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "bad_request", "the request cannot be read"),
            Self::BadJson => (S::BAD_REQUEST, "bad_json", "the body is not JSON"),
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send the body as application/json")
            }
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too_large", "the body is too large"),
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "sign in first"),
            Self::TokenExpired => (S::UNAUTHORIZED, "token_expired", "the access token has expired"),
            Self::BadCredentials => {
                (S::UNAUTHORIZED, "bad_credentials", "the gym, the e-mail or the password is wrong")
            }
            Self::BadRefreshToken => {
                (S::UNAUTHORIZED, "bad_refresh_token", "the refresh token is not good: sign in again")
            }
            Self::TooManyAttempts => {
                (S::TOO_MANY_REQUESTS, "too_many_attempts", "too many sign-ins failed: try again later")
            }
            Self::NotFound => (S::NOT_FOUND, "not_found", "there is no such thing, or you may not see it"),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "this address does not know the method")
            }
            Self::Refused => (S::CONFLICT, "refused", "the entity refuses the command"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "too much at once: try again in a moment"),
            Self::Unavailable => {
                (S::SERVICE_UNAVAILABLE, "unavailable", "not available just now: try again in a moment")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "the server made a mistake"),
        }
    }
}

/// An error on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: Option<Cow<'static, str>>,
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Details<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    request_id: &'a str,
}

impl Problem {
    /// A problem that says no more than its kind.
    pub fn new(kind: ProblemKind) -> Self {
        Self { kind, detail: None, retry_after_s: None }
    }

    /// A problem that says what was wrong with this request.
    pub fn saying(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: Some(detail.into()), retry_after_s: None }
    }

    /// The same, to be tried again no sooner than that.
    pub(super) fn after(self, wait: Duration) -> Self {
        Self { retry_after_s: Some(wait.as_secs() + 1), ..self }
    }

    /// A problem that is not the client's: the log gets the whole chain of causes, the client none of it.
    pub(super) fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let chain = format!("{:#}", anyhow::Error::new(error));
        tracing::error!(error = chain, "a request cannot be answered");
        Self::new(ProblemKind::Unavailable)
    }

    /// The whole response, as the request of that id gets it.
    pub(super) fn respond(&self, request_id: &str) -> Response {
        let (status, code, title) = self.kind.row();
        let details = Details {
            kind: format!("urn:spotter:problem:{code}"),
            title,
            status: status.as_u16(),
            code,
            detail: self.detail.as_deref().unwrap_or(title),
            request_id,
        };
        let body = serde_json::to_vec(&details).unwrap_or_default(); // text and a number: cannot fail
        let mut response = (status, Body::from(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let soon = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        if let Some(seconds) = self.retry_after_s.or(soon) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    /// The status and the problem itself; the outermost layer writes the body.
    fn into_response(self) -> Response {
        let mut response = self.kind.row().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::new(match denied {
            Denied::NotFound => ProblemKind::NotFound,
            Denied::Unavailable => ProblemKind::Unavailable,
        })
    }
}
