//! `/livez`, `/readyz` and `/metrics`: what a supervisor, a balancer and a scraper ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use super::Api;
use super::problem::{Problem, ProblemKind};
use crate::db;

/// A store that takes longer is not one to send people to.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether this node wants traffic: not before it has started, and not once it drains.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether traffic is wanted from now on.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether traffic is wanted.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/livez", get(async || "ok\n")).route("/readyz", get(readyz))
}

pub(super) fn metrics_routes(metrics: PrometheusHandle) -> Router {
    let render = async |State(metrics): State<PrometheusHandle>| {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
    };
    Router::new().route("/metrics", get(render)).with_state(metrics)
}

async fn readyz(State(api): State<Arc<Api>>) -> Result<impl IntoResponse, Problem> {
    if !api.readiness.get() {
        return Err(Problem::saying(ProblemKind::Unavailable, "the node is starting or stopping"));
    }
    let read = db::query("SELECT 1 FROM gyms LIMIT 1").fetch_optional(&api.db.reader);
    match tokio::time::timeout(STORE_TIMEOUT, read).await {
        Ok(Ok(_)) => Ok("ready\n"),
        Ok(Err(_)) | Err(_) => Err(Problem::saying(ProblemKind::Unavailable, "the store does not answer")),
    }
}
