//! The caller of a request, by its bearer token. A route without this argument is open to anyone.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::Api;
use super::problem::{Problem, ProblemKind};
use crate::auth::{Caller, TokenError};
use crate::policy::Standing;

/// Who sent the request.
pub(super) struct Authenticated(pub(super) Caller);

impl FromRequestParts<Arc<Api>> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header
            .and_then(|header| header.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| Problem::new(ProblemKind::Unauthenticated))?;
        let caller = api.tokens.verify(token, api.clock.now()).map_err(|error| match error {
            TokenError::Expired => Problem::new(ProblemKind::TokenExpired),
            TokenError::Invalid => Problem::new(ProblemKind::Unauthenticated),
        })?;
        match api.policy.standing(&caller).await? {
            Standing::Good => Ok(Self(caller)),
            // The refresh token still brings one that says what is so now.
            Standing::OtherRole => Err(Problem::new(ProblemKind::TokenExpired)),
            Standing::SignedOut => Err(Problem::new(ProblemKind::Unauthenticated)),
        }
    }
}
