//! The one layer around every request: its id, its record in log and metrics, the body of its problem, and the
//! headers that keep browsers careful. Bodies and tokens are never logged.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::{Instrument, info, info_span};
use uuid::Uuid;

use super::problem::{Problem, ProblemKind};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Sent with every response. `'self'` lets pages open their own WebSockets; style attributes are the pages' way
/// to place a bar's width, scripts come from files alone.
const GUARDS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
];

/// Serves a request and tells of it.
pub(super) async fn request(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let span = info_span!("request", request_id = %id, %method, route);

    let served = AssertUnwindSafe(next.run(request).instrument(span.clone())).catch_unwind().await;
    let mut response = served.unwrap_or_else(|_| Problem::new(ProblemKind::Internal).into_response());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let mut whole = problem.respond(&id);
        // What the router knows beside the problem, such as the methods that are allowed.
        for (name, value) in response.headers() {
            if !whole.headers().contains_key(name) && name.as_str() != "content-length" {
                whole.headers_mut().insert(name, value.clone());
            }
        }
        response = whole;
    }

    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    metrics::histogram!(
        "spotter_http_request_duration_seconds",
        "route" => route,
        "method" => method_label(&method),
        "status" => status.to_string(),
    )
    .record(elapsed.as_secs_f64());
    span.in_scope(|| info!(status, duration_ms = elapsed.as_secs_f64() * 1e3, "request served"));
    response
}

/// The caller's id when it is fit for a log, else a new one.
fn request_id(request: &Request) -> String {
    let sane = |id: &&str| {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        (1..=64).contains(&id.len()) && id.bytes().all(allowed)
    };
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(sane);
    given.map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

/// A client may invent methods; a label may not grow with them.
fn method_label(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
