//! Sign-in and the few reads a client makes over HTTP.

use std::time::Duration;

use serde::Deserialize;
use spotter_protocol::{GymId, LinkPermission, Role, UserId, Workout, WorkoutId};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a request over HTTP failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server refused it, and says why.
    #[error("{code}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The stable code of the problem.
        code: String,
        /// For a person.
        detail: String,
        /// What the operator finds it by in the server's log; empty when the answer named none.
        request_id: String,
    },
    /// No answer, or none that can be read.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[from] reqwest::Error),
}

/// The API of one server.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
}

/// A signed-in user's tokens.
#[derive(Clone, Debug, Deserialize)]
pub struct Pass {
    /// For the socket and for requests.
    pub access_token: String,
    /// Seconds until it runs out.
    pub expires_in: u32,
    /// Good for one renewal.
    pub refresh_token: String,
    /// Who signed in.
    pub user: Me,
}

/// The signed-in user.
#[derive(Clone, Debug, Deserialize)]
pub struct Me {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// What they sign in with.
    pub email: String,
    /// What they are in the gym.
    pub role: Role,
    /// Their gym.
    pub gym: Gym,
}

/// A gym as its members see it.
#[derive(Clone, Debug, Deserialize)]
pub struct Gym {
    /// Which gym.
    pub id: GymId,
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub name: String,
}

/// Somebody the caller may see.
#[derive(Clone, Debug, Deserialize)]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: String,
    /// What they are in the gym.
    pub role: Role,
    /// What their link allows the caller; empty for the caller, and for people without a link.
    #[serde(default)]
    pub permissions: Vec<LinkPermission>,
}

#[derive(Deserialize)]
struct People {
    people: Vec<Person>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    request_id: String,
}

impl Api {
    /// The API of the server at `base`, as in `http://127.0.0.1:8080`.
    ///
    /// # Panics
    /// Never: what a client can lack is TLS, and it has none.
    #[expect(clippy::expect_used, reason = "only TLS and a DNS of its own can fail to build")]
    pub fn new(base: &str) -> Self {
        // The token goes to this server and to no other: not where a redirect or a proxy points.
        let http = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a client without TLS needs nothing of the system");
        Self { http, base: base.trim_end_matches('/').to_owned() }
    }

    /// The address of the server's socket.
    pub fn socket(&self) -> String {
        let host = self.base.strip_prefix("http").unwrap_or(&self.base);
        format!("ws{host}/v1/socket")
    }

    /// Signs in.
    ///
    /// # Errors
    /// `bad_credentials`, whichever of the three is wrong.
    pub async fn login(&self, gym: &str, email: &str, password: &str) -> Result<Pass, ApiError> {
        let body = serde_json::json!({ "gym": gym, "email": email, "password": password });
        self.read(self.http.post(self.url("auth/login")).json(&body)).await
    }

    /// Renews a pass. The old one's refresh token is dead afterwards.
    ///
    /// # Errors
    /// `bad_refresh_token` when it was used before or ran out: sign in again.
    pub async fn refresh(&self, pass: &Pass) -> Result<Pass, ApiError> {
        let body = serde_json::json!({ "refresh_token": pass.refresh_token });
        self.read(self.http.post(self.url("auth/refresh")).json(&body)).await
    }

    /// The signed-in user, as the server knows them now.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn me(&self, pass: &Pass) -> Result<Me, ApiError> {
        self.read(self.http.get(self.url("me")).bearer_auth(&pass.access_token)).await
    }

    /// The people the caller may see.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn people(&self, pass: &Pass) -> Result<Vec<Person>, ApiError> {
        let request = self.http.get(self.url("people")).bearer_auth(&pass.access_token);
        self.read::<People>(request).await.map(|people| people.people)
    }

    /// A workout; its newest revision when none is given.
    ///
    /// # Errors
    /// `not_found` when the caller's gym has no such workout or revision.
    pub async fn workout(
        &self,
        pass: &Pass,
        workout: WorkoutId,
        revision: Option<u32>,
    ) -> Result<Workout, ApiError> {
        let query = revision.map(|revision| format!("?revision={revision}")).unwrap_or_default();
        let url = self.url(&format!("workouts/{workout}{query}"));
        self.read(self.http.get(url).bearer_auth(&pass.access_token)).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, ApiError> {
        let response = request.send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.json().await?);
        }
        let problem = response.json::<Problem>().await.unwrap_or_else(|_| Problem {
            code: status.to_string(),
            detail: String::new(),
            request_id: String::new(),
        });
        let Problem { code, detail, request_id } = problem;
        Err(ApiError::Refused { status: status.as_u16(), code, detail, request_id })
    }
}
