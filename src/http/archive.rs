//! `/archive` on the admin listener: entities leave old months of the journal, and months that are left go. Each
//! request does some of it; whoever asks goes on from what it answers, and has the turn meanwhile.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use spotter_protocol::StreamId;
use uuid::Uuid;

use super::body::ApiJson;
use super::problem::{Problem, ProblemKind};
use crate::archive::{Here, Left, Refused, Taken};
use crate::store::Month;

/// Who archives: an id that they made up.
#[derive(Debug, Serialize, Deserialize)]
pub struct Turn {
    /// The id.
    pub by: Uuid,
}

/// Which entities are to leave their streams.
#[derive(Debug, Serialize, Deserialize)]
pub struct Leave {
    /// Who archives.
    pub by: Uuid,
    /// Those whose stream began before this month.
    pub before: Month,
    /// Those behind this stream; all when absent.
    #[serde(default)]
    pub after: Option<StreamId>,
}

/// Which month is to go.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakeAway {
    /// Who archives.
    pub by: Uuid,
    /// The month.
    pub month: Month,
    /// The history that the asker means, so that it has not looked at another database than the node's.
    pub incarnation: Uuid,
}

/// The routes.
pub fn routes(here: Here) -> Router {
    Router::new()
        .route("/archive/turn", post(turn))
        .route("/archive/end", post(end))
        .route("/archive/leave", post(leave))
        .route("/archive/take-away", post(take_away))
        .with_state(here)
}

async fn turn(State(here): State<Here>, ApiJson(Turn { by }): ApiJson<Turn>) -> Result<(), Problem> {
    Ok(here.turn(by)?)
}

async fn end(State(here): State<Here>, ApiJson(Turn { by }): ApiJson<Turn>) {
    here.end(by);
}

async fn leave(
    State(here): State<Here>,
    ApiJson(Leave { by, before, after }): ApiJson<Leave>,
) -> Result<Json<Left>, Problem> {
    Ok(Json(here.leave(by, before, after).await?))
}

async fn take_away(
    State(here): State<Here>,
    ApiJson(TakeAway { by, month, incarnation }): ApiJson<TakeAway>,
) -> Result<Json<Taken>, Problem> {
    Ok(Json(here.take_away(by, month, incarnation).await?))
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let kind = match refused {
            Refused::NotOver => ProblemKind::BadRequest,
            Refused::OthersTurn | Refused::OtherHistory => ProblemKind::Refused,
            Refused::Fenced => ProblemKind::Unavailable,
            Refused::Store(error) => return error.into(),
        };
        Self::saying(kind, refused.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use serde_json::{Value, json};
    use spotter_actors::Journal;
    use tower::ServiceExt;

    use super::super::operators::tests::an_engine_over;
    use super::*;
    use crate::db;
    use crate::store::{Database, Store};

    const OPERATOR: Uuid = Uuid::from_u128(1);

    /// A node in October 2025.
    async fn a_node(folder: &std::path::Path) -> (Router, Arc<Store>) {
        let file = Database::File(folder.join("spotter.db"));
        let (store, claim) = Store::open_serving(&file, "here").await.unwrap();
        let store = Arc::new(store);
        let engine = an_engine_over(&Arc::default(), &claim).await;
        (routes(Here::new(engine, Arc::clone(&store))), store)
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

        let (status, left) =
            ask(&node, "/archive/leave", json!({ "by": OPERATOR, "before": "2025-10" })).await;
        assert_eq!((status, &left["moved"], &left["after"]), (StatusCode::OK, &json!(0), &Value::Null));
        let (status, _) = ask(&node, "/archive/leave", json!({ "by": OPERATOR, "before": "2025-11" })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);

        let take = |month: &str| json!({ "by": OPERATOR, "month": month, "incarnation": incarnation });
        assert_eq!(ask(&node, "/archive/take-away", take("2025-10")).await.0, StatusCode::BAD_REQUEST);
        let whole = json!({ "state": "whole" });
        assert_eq!(ask(&node, "/archive/take-away", take("2025-09")).await, (StatusCode::OK, whole));
    }

    #[tokio::test]
    async fn nothing_is_taken_away_from_another_history_or_without_the_claim() {
        let folder = tempfile::tempdir().unwrap();
        let (node, store) = a_node(folder.path()).await;
        let take =
            |incarnation: Uuid| json!({ "by": OPERATOR, "month": "2025-09", "incarnation": incarnation });

        let other = ask(&node, "/archive/take-away", take(Uuid::from_u128(1))).await;
        assert_eq!(other.0, StatusCode::CONFLICT);
        let stolen = db::query("UPDATE shards SET epoch = epoch + 1 WHERE shard = 5");
        stolen.execute(&store.db().writer).await.unwrap();
        let fenced = ask(&node, "/archive/take-away", take(store.incarnation())).await;
        assert_eq!(fenced.0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn nobody_archives_while_another_does() {
        let folder = tempfile::tempdir().unwrap();
        let (node, store) = a_node(folder.path()).await;
        let turn = |by: u128| json!({ "by": Uuid::from_u128(by) });
        assert_eq!(ask(&node, "/archive/turn", turn(1)).await.0, StatusCode::OK);

        assert_eq!(ask(&node, "/archive/turn", turn(2)).await.0, StatusCode::CONFLICT);
        let leave = json!({ "by": Uuid::from_u128(2), "before": "2025-10" });
        assert_eq!(ask(&node, "/archive/leave", leave.clone()).await.0, StatusCode::CONFLICT);
        let incarnation = store.incarnation();
        let take = json!({ "by": Uuid::from_u128(2), "month": "2025-09", "incarnation": incarnation });
        assert_eq!(ask(&node, "/archive/take-away", take).await.0, StatusCode::CONFLICT);

        assert_eq!(ask(&node, "/archive/end", turn(1)).await.0, StatusCode::OK);
        assert_eq!(ask(&node, "/archive/leave", leave).await.0, StatusCode::OK);
    }
}
