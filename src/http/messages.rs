//! `GET /api/v1/messages/{user}`: older messages of a conversation, in pages.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use spotter_protocol::{MessageView, Version};

use super::Api;
use super::body::ApiQuery;
use super::caller::Authenticated;
use super::problem::{Problem, ProblemKind};
use crate::messages;

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new().route("/api/v1/messages/{user}", get(history))
}

#[derive(Deserialize)]
struct Which {
    before: Option<Version>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct Page {
    messages: Vec<MessageView>,
    /// Ask for those before this version; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<Version>,
}

/// The caller's own side of a conversation, newest first.
async fn history(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    Path(with): Path<String>,
    ApiQuery(Which { before, limit }): ApiQuery<Which>,
) -> Result<Json<Page>, Problem> {
    let with = with.parse().map_err(|_| Problem::new(ProblemKind::NotFound))?;
    let limit = limit.unwrap_or(messages::PAGE_MAX).clamp(1, messages::PAGE_MAX);
    let page = messages::page(&api.db, caller.gym, caller.user, with, before, limit).await;
    let messages = page.map_err(Problem::unavailable)?;
    let full = messages.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next_before = messages.last().filter(|_| full).map(|oldest| oldest.v);
    Ok(Json(Page { messages, next_before }))
}
