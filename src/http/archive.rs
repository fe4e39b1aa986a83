//! `/archive` on the admin listener: entities leave old months of the journal, and months that are left go. Each
//! request does some of it; whoever asks goes on from what it answers.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use spotter_actors::{Claim, Engine, Journal};
use spotter_protocol::StreamId;
use uuid::Uuid;

use super::body::ApiJson;
use super::problem::{Problem, ProblemKind};
use crate::store::{Month, Store, TakenAway};

/// What the routes work on.
#[derive(Clone)]
pub struct Archive {
    /// Moves entities.
    pub engine: Arc<Engine>,
    /// Takes months away.
    pub store: Arc<Store>,
    /// As whom.
    pub claim: Claim,
}

/// Which entities are to leave their streams.
#[derive(Debug, Serialize, Deserialize)]
pub struct Leave {
    /// Those whose stream began before this month.
    pub before: Month,
    /// Those behind this stream; all when absent.
    #[serde(default)]
    pub after: Option<StreamId>,
}

/// What became of some of them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Left {
    /// How many have moved.
    pub moved: u64,
    /// How many changed meanwhile, and are to be tried again.
    pub busy: u64,
    /// How many stay; the node's log says why.
    pub stuck: u64,
    /// Behind which to go on; absent when there are no more.
    pub after: Option<StreamId>,
}

/// Which month is to go.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakeAway {
    /// The month.
    pub month: Month,
    /// The history that the asker means, so that it has not looked at another database than the node's.
    pub incarnation: Uuid,
}

/// What became of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Taken {
    /// Nothing of it is left.
    Whole,
    /// Some of it is left: ask again.
    Partly,
    /// It stays, since entities are in it.
    LivedIn {
        /// How many.
        entities: u64,
    },
    /// It is read just now: ask again.
    Busy,
}

/// The routes.
pub fn routes(archive: Archive) -> Router {
    Router::new()
        .route("/archive/leave", post(leave))
        .route("/archive/take-away", post(take_away))
        .with_state(Arc::new(archive))
}

async fn leave(
    State(archive): State<Arc<Archive>>,
    ApiJson(Leave { before, after }): ApiJson<Leave>,
) -> Result<Json<Left>, Problem> {
    if before > archive.present() {
        return Err(Problem::saying(ProblemKind::BadRequest, "only months that are over can be left"));
    }
    let boundary = before.streams().start;
    let archived = archive.engine.archive(boundary, after.unwrap_or(StreamId(Uuid::nil()))).await?;
    let (moved, busy, stuck) = (archived.moved, archived.busy, archived.stuck);
    Ok(Json(Left { moved, busy, stuck, after: archived.last }))
}

async fn take_away(
    State(archive): State<Arc<Archive>>,
    ApiJson(TakeAway { month, incarnation }): ApiJson<TakeAway>,
) -> Result<Json<Taken>, Problem> {
    if month >= archive.present() {
        return Err(Problem::saying(ProblemKind::BadRequest, "only a month that is over can be taken away"));
    }
    if incarnation != archive.store.incarnation() {
        let why = "the node serves another database than the one that was looked at";
        return Err(Problem::saying(ProblemKind::Refused, why));
    }
    Ok(Json(match archive.store.take_away(&archive.claim, month).await? {
        TakenAway::Whole => {
            tracing::info!(%month, "a month of the journal was taken away");
            Taken::Whole
        }
        TakenAway::Partly => Taken::Partly,
        TakenAway::LivedIn(entities) => Taken::LivedIn { entities },
        TakenAway::Busy => Taken::Busy,
        TakenAway::Fenced => {
            return Err(Problem::saying(
                ProblemKind::Unavailable,
                "this node does not hold the shards any more",
            ));
        }
    }))
}

impl Archive {
    fn present(&self) -> Month {
        Month::of(self.engine.clock().now())
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::super::operators::tests::an_engine;
    use super::*;
    use crate::db;
    use crate::store::Database;

    /// A node in October 2025.
    async fn a_node(folder: &std::path::Path) -> (Router, Arc<Store>) {
        let (engine, _) = an_engine().await;
        let file = Database::File(folder.join("spotter.db"));
        let (store, claim) = Store::open_serving(&file, "here").await.unwrap();
        let store = Arc::new(store);
        (routes(Archive { engine, store: Arc::clone(&store), claim }), store)
    }

    async fn ask(node: &Router, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path).header("content-type", "application/json");
        let answer = node.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn what_is_not_over_is_neither_left_nor_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let (node, store) = a_node(folder.path()).await;
        let incarnation = store.incarnation();

        let (status, left) = ask(&node, "/archive/leave", json!({ "before": "2025-10" })).await;
        assert_eq!((status, &left["moved"], &left["after"]), (StatusCode::OK, &json!(0), &Value::Null));
        let (status, _) = ask(&node, "/archive/leave", json!({ "before": "2025-11" })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);

        let take = |month: &str| json!({ "month": month, "incarnation": incarnation });
        assert_eq!(ask(&node, "/archive/take-away", take("2025-10")).await.0, StatusCode::BAD_REQUEST);
        let whole = json!({ "state": "whole" });
        assert_eq!(ask(&node, "/archive/take-away", take("2025-09")).await, (StatusCode::OK, whole));
    }

    #[tokio::test]
    async fn nothing_is_taken_away_from_another_history_or_without_the_claim() {
        let folder = tempfile::tempdir().unwrap();
        let (node, store) = a_node(folder.path()).await;
        let take = |incarnation: Uuid| json!({ "month": "2025-09", "incarnation": incarnation });

        let other = ask(&node, "/archive/take-away", take(Uuid::from_u128(1))).await;
        assert_eq!(other.0, StatusCode::CONFLICT);
        let stolen = db::query("UPDATE shards SET epoch = epoch + 1 WHERE shard = 5");
        stolen.execute(&store.db().writer).await.unwrap();
        let fenced = ask(&node, "/archive/take-away", take(store.incarnation())).await;
        assert_eq!(fenced.0, StatusCode::SERVICE_UNAVAILABLE);
    }
}
