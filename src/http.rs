//! The HTTP API: routes by noun, each listed once, inside one layer that names, times and guards every request.

pub mod archive;
mod body;
mod caller;
mod catalogue;
pub mod gyms;
mod health;
mod listener;
mod messages;
mod observe;
pub mod operators;
mod people;
pub mod problem;
mod sign_in;
#[cfg(test)]
mod tests;

pub use health::Readiness;
pub use listener::serve;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use metrics_exporter_prometheus::PrometheusHandle;
use spotter_actors::Clock;

use crate::accounts::Accounts;
use crate::auth::{SignIn, Tokens};
use crate::db::Db;
use crate::pages;
use crate::policy::Policy;
use crate::workouts::Workouts;
use problem::{Problem, ProblemKind};

/// The largest body of a request.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What the routes answer from.
pub struct Api {
    /// The accounts.
    pub accounts: Accounts,
    /// Signs people in.
    pub sign_in: SignIn,
    /// Checks access tokens.
    pub tokens: Tokens,
    /// Judges rights.
    pub policy: Policy,
    /// The workouts.
    pub workouts: Workouts,
    /// The store, to see whether it answers.
    pub db: Db,
    /// Whether this node wants traffic.
    pub readiness: Readiness,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// What the public listener serves; `sockets` are routes of their own that pass through the same layer.
pub fn router(api: Arc<Api>, sockets: Router) -> Router {
    Router::new()
        .merge(sign_in::routes())
        .merge(people::routes())
        .merge(catalogue::routes())
        .merge(messages::routes())
        .merge(health::routes())
        .with_state(api)
        .merge(sockets)
        .fallback(pages::serve)
        .method_not_allowed_fallback(async || Problem::new(ProblemKind::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(observe::request))
}

/// What the admin listener serves; `operators` are the routes for whoever runs the node.
pub fn admin_router(metrics: PrometheusHandle, operators: Router) -> Router {
    health::metrics_routes(metrics)
        .merge(operators)
        .fallback(async || Problem::new(ProblemKind::NotFound))
        .method_not_allowed_fallback(async || Problem::new(ProblemKind::MethodNotAllowed))
        .layer(middleware::from_fn(observe::request))
}
