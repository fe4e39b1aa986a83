//! Sign-in and the few reads a client makes over HTTP.

use serde::Deserialize;
use spotter_protocol::{GymId, Role, UserId, Workout, WorkoutId};

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
}

impl Api {
    /// The API of the server at `base`, as in `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        Self { http: reqwest::Client::new(), base: base.trim_end_matches('/').to_owned() }
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

    /// The people the caller may see.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn people(&self, pass: &Pass) -> Result<Vec<Person>, ApiError> {
        let request = self.http.get(self.url("people")).bearer_auth(&pass.access_token);
        self.read::<People>(request).await.map(|people| people.people)
    }

    /// The newest revision of a workout.
    ///
    /// # Errors
    /// `not_found` when the caller's gym has no such workout.
    pub async fn workout(&self, pass: &Pass, workout: WorkoutId) -> Result<Workout, ApiError> {
        let url = self.url(&format!("workouts/{workout}"));
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
        let problem = response.json::<Problem>().await;
        let problem = problem.unwrap_or_else(|_| Problem { code: status.to_string(), detail: String::new() });
        Err(ApiError::Refused { status: status.as_u16(), code: problem.code, detail: problem.detail })
    }
}
