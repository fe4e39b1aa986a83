//! The routes as a client meets them: the real router over a real database.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use spotter_protocol::{Role, Timestamp};
use tower::ServiceExt;

use super::*;
use crate::accounts::tests::{NOW, a_gym};
use crate::accounts::{NewLink, User};
use crate::auth::tests::{a_sign_in, a_user_with_password};
use crate::db::both::{on_a_file, on_both};
use crate::workouts::tests::a_workout;

const PASSWORD: &str = "correct horse";

struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct Server {
    api: Arc<Api>,
    router: Router,
}

/// A server with the gyms `north` (cleo coaches ada; dan is on no link) and `south` (zoe).
async fn a_server(db: Db) -> Server {
    let (sign_in, tokens) = a_sign_in(&db);
    let accounts = Accounts::new(db.clone());
    let (north, south) = (a_gym(&accounts, "north").await, a_gym(&accounts, "south").await);
    for (gym, name, role) in [
        (&north, "cleo", Role::Coach),
        (&north, "ada", Role::Athlete),
        (&north, "dan", Role::Athlete),
        (&south, "zoe", Role::GymOwner),
    ] {
        a_user_with_password(&accounts, gym, name, role, PASSWORD).await;
    }
    let link = NewLink {
        coach: "cleo@example.com".parse().unwrap(),
        athlete: "ada@example.com".parse().unwrap(),
        permissions: "view_sessions,message".parse().unwrap(),
    };
    accounts.add_links(&north, &[link], NOW).await.unwrap();
    let workouts = Workouts::new(db.clone());
    workouts.add(north.id, &[a_workout(1, 1), a_workout(1, 2)], NOW).await.unwrap();
    let readiness = Readiness::default();
    readiness.set(true);
    let policy = Policy::new(db.clone());
    let clock = Arc::new(Fixed(NOW));
    let api = Arc::new(Api { accounts, sign_in, tokens, policy, workouts, db, readiness, clock });
    Server { router: router(Arc::clone(&api), Router::new()), api }
}

impl Server {
    async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let request = Request::post(path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    async fn get(&self, path: &str, token: &str) -> Response {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn login(&self, gym: &str, email: &str, password: &str) -> Response {
        self.post("/api/v1/auth/login", &json!({ "gym": gym, "email": email, "password": password })).await
    }

    async fn user(&self, gym: &str, name: &str) -> User {
        let gym = self.api.accounts.gym(gym).await.unwrap();
        let email = format!("{name}@example.com").parse().unwrap();
        self.api.accounts.user_by_email(&gym, &email).await.unwrap()
    }

    async fn token(&self, gym: &str, name: &str) -> String {
        self.api.tokens.mint(&self.user(gym, name).await, NOW).unwrap()
    }
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

async fn body(response: Response) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// Checks that a response is a whole problem of that status and code.
async fn assert_problem(response: Response, status: StatusCode, code: &str) -> Value {
    assert_eq!(response.status(), status, "{code}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem = body(response).await;
    assert_eq!(problem["code"], code);
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["type"], format!("urn:spotter:problem:{code}"));
    assert_eq!(problem["request_id"], id);
    assert!(problem["title"].is_string() && problem["detail"].is_string());
    problem
}

on_both! {
    signing_in_answers_the_tokens_and_the_user
    a_wrong_gym_email_or_password_answers_the_same
    a_refresh_token_works_once_and_its_reuse_ends_what_came_of_it
    people_are_named_only_within_the_gym
    a_workout_of_another_gym_is_as_absent_as_one_that_never_was
    the_catalogue_is_sent_once_to_who_remembers_its_etag
    every_route_of_the_api_but_sign_in_asks_for_a_token
    what_cannot_be_read_is_answered_as_a_problem
    a_panic_is_a_problem_of_that_request_alone
    a_sane_request_id_is_kept_and_another_is_replaced
    every_response_keeps_browsers_careful
    a_node_is_ready_while_it_wants_traffic_and_its_store_answers
}

async fn signing_in_answers_the_tokens_and_the_user(db: Db) {
    let server = a_server(db).await;
    let cleo = server.user("north", "cleo").await;

    let response = server.login("north", "Cleo@example.com", PASSWORD).await;

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let signed_in = body(response).await;
    assert_eq!(signed_in["expires_in"], 900);
    let user = json!({
        "id": cleo.id, "name": "cleo", "email": "cleo@example.com", "role": "coach",
        "gym": { "id": cleo.gym.id, "slug": "north", "name": "north" },
    });
    assert_eq!(signed_in["user"], user);
    let me = server.get("/api/v1/me", signed_in["access_token"].as_str().unwrap()).await;
    assert_eq!(body(me).await, user);
}

async fn a_wrong_gym_email_or_password_answers_the_same(db: Db) {
    let server = a_server(db).await;
    let mut answers = Vec::new();
    for (gym, email, password) in [
        ("nowhere", "cleo@example.com", PASSWORD),
        ("south", "cleo@example.com", PASSWORD),
        ("north", "nobody@example.com", PASSWORD),
        ("north", "cleo@example.com", "wrong horse"),
        ("", "", ""),
    ] {
        let response = server.login(gym, email, password).await;
        let mut problem = assert_problem(response, StatusCode::UNAUTHORIZED, "bad_credentials").await;
        problem["request_id"].take();
        answers.push(problem);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

async fn a_refresh_token_works_once_and_its_reuse_ends_what_came_of_it(db: Db) {
    let server = a_server(db).await;
    let refresh =
        async |token: &Value| server.post("/api/v1/auth/refresh", &json!({ "refresh_token": token })).await;
    let first = body(server.login("north", "ada@example.com", PASSWORD).await).await;

    let second = body(refresh(&first["refresh_token"]).await).await;

    assert_eq!(second["user"], first["user"]);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let reused = refresh(&first["refresh_token"]).await;
    assert_problem(reused, StatusCode::UNAUTHORIZED, "bad_refresh_token").await;
    let ended = refresh(&second["refresh_token"]).await;
    assert_problem(ended, StatusCode::UNAUTHORIZED, "bad_refresh_token").await;
}

async fn people_are_named_only_within_the_gym(db: Db) {
    let server = a_server(db).await;
    let (cleo, ada) = (server.user("north", "cleo").await, server.user("north", "ada").await);

    let people = body(server.get("/api/v1/people", &server.token("north", "cleo").await).await).await;
    let elsewhere = body(server.get("/api/v1/people", &server.token("south", "zoe").await).await).await;

    let expected = json!({ "people": [
        { "id": ada.id, "name": "ada", "role": "athlete", "permissions": ["view_sessions", "message"] },
        { "id": cleo.id, "name": "cleo", "role": "coach", "permissions": [] },
    ]});
    assert_eq!(people, expected);
    assert_eq!(elsewhere["people"].as_array().unwrap().len(), 1);
}

async fn a_workout_of_another_gym_is_as_absent_as_one_that_never_was(db: Db) {
    let server = a_server(db).await;
    let (here, there) = (server.token("north", "ada").await, server.token("south", "zoe").await);
    let path = format!("/api/v1/workouts/{}", a_workout(1, 1).id);

    assert_eq!(body(server.get(&path, &here).await).await["revision"], 2);
    assert_eq!(body(server.get(&format!("{path}?revision=1"), &here).await).await["revision"], 1);

    let absent = format!("/api/v1/workouts/{}", a_workout(9, 1).id);
    let mut answers = Vec::new();
    for (path, token) in [
        (path.as_str(), &there),
        (absent.as_str(), &here),
        (&format!("{path}?revision=3"), &here),
        ("/api/v1/workouts/no-id", &here),
    ] {
        let mut problem =
            assert_problem(server.get(path, token).await, StatusCode::NOT_FOUND, "not_found").await;
        problem["request_id"].take();
        answers.push(problem);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let unreadable = server.get(&format!("{path}?revision=one"), &here).await;
    assert_problem(unreadable, StatusCode::BAD_REQUEST, "bad_request").await;
}

async fn the_catalogue_is_sent_once_to_who_remembers_its_etag(db: Db) {
    let server = a_server(db).await;
    let token = server.token("north", "ada").await;
    let first = server.get("/api/v1/exercises", &token).await;
    let etag = first.headers()["etag"].clone();
    assert_eq!(first.headers()["content-type"], "application/json");

    let request = Request::get("/api/v1/exercises")
        .header("authorization", format!("Bearer {token}"))
        .header("if-none-match", etag);
    let again = server.send(request.body(Body::empty()).unwrap()).await;

    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(text(again).await, "");
}

async fn every_route_of_the_api_but_sign_in_asks_for_a_token(db: Db) {
    let server = a_server(db).await;
    let expired =
        server.api.tokens.mint(&server.user("north", "ada").await, NOW.shifted(-3_600_000_000)).unwrap();
    for path in ["/api/v1/me", "/api/v1/people", "/api/v1/exercises", "/api/v1/workouts/1"] {
        let bare = server.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(bare.headers()["www-authenticate"], "Bearer");
        assert_problem(bare, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        let forged = server.get(path, "forged").await;
        assert_problem(forged, StatusCode::UNAUTHORIZED, "unauthenticated").await;
        assert_problem(server.get(path, &expired).await, StatusCode::UNAUTHORIZED, "token_expired").await;
    }
}

async fn what_cannot_be_read_is_answered_as_a_problem(db: Db) {
    let server = a_server(db).await;
    let login = |kind: &str, body: String| {
        Request::post("/api/v1/auth/login").header("content-type", kind).body(Body::from(body)).unwrap()
    };
    let json = "application/json";
    let large = json!({ "gym": "a".repeat(BODY_BYTES_MAX) }).to_string();
    for (request, status, code) in [
        (login(json, "{".into()), StatusCode::BAD_REQUEST, "bad_json"),
        (login(json, "{}".into()), StatusCode::BAD_REQUEST, "bad_request"),
        (login("text/plain", "{}".into()), StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
        (login(json, large), StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        (Request::get("/api/v1/none").body(Body::empty()).unwrap(), StatusCode::NOT_FOUND, "not_found"),
        (Request::post("/none").body(Body::empty()).unwrap(), StatusCode::NOT_FOUND, "not_found"),
    ] {
        assert_problem(server.send(request).await, status, code).await;
    }
    let wrong_method =
        Request::builder().method(Method::DELETE).uri("/api/v1/me").body(Body::empty()).unwrap();
    let response = server.send(wrong_method).await;
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    assert_problem(response, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").await;
}

async fn a_panic_is_a_problem_of_that_request_alone(db: Db) {
    let server = a_server(db).await;
    let broken =
        Router::new().route("/broken", axum::routing::get(async || -> &'static str { panic!("on purpose") }));
    let router: Router<()> = router(Arc::clone(&server.api), broken);

    let response =
        router.clone().oneshot(Request::get("/broken").body(Body::empty()).unwrap()).await.unwrap();

    assert_problem(response, StatusCode::INTERNAL_SERVER_ERROR, "internal").await;
    let next = router.oneshot(Request::get("/livez").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK);
}

async fn a_sane_request_id_is_kept_and_another_is_replaced(db: Db) {
    let server = a_server(db).await;
    let ask = async |id: &str| {
        let request = Request::get("/livez").header("x-request-id", id).body(Body::empty()).unwrap();
        server.send(request).await.headers()["x-request-id"].to_str().unwrap().to_owned()
    };

    assert_eq!(ask("trace-1.a_B").await, "trace-1.a_B");
    for bad in ["", "a b", "a\"b", &"x".repeat(65)] {
        assert_ne!(ask(bad).await, bad);
    }
}

async fn every_response_keeps_browsers_careful(db: Db) {
    let server = a_server(db).await;
    for path in ["/", "/livez", "/api/v1/me", "/none"] {
        let response = server.send(Request::get(path).body(Body::empty()).unwrap()).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-eval"), "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer", "{path}");
    }
}

async fn a_node_is_ready_while_it_wants_traffic_and_its_store_answers(db: Db) {
    let server = a_server(db).await;
    let ask = async |path: &str| server.send(Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(ask("/readyz").await.status(), StatusCode::OK);

    server.api.readiness.set(false);
    assert_problem(ask("/readyz").await, StatusCode::SERVICE_UNAVAILABLE, "unavailable").await;
    assert_eq!(ask("/livez").await.status(), StatusCode::OK, "draining is not dying");

    server.api.readiness.set(true);
    tokio::time::timeout(Duration::from_secs(5), server.api.db.reader.close()).await.unwrap();
    assert_problem(ask("/readyz").await, StatusCode::SERVICE_UNAVAILABLE, "unavailable").await;
}

#[tokio::test]
async fn the_admin_listener_shows_requests_by_route_and_never_by_address() {
    // Recorded once in a process.
    let metrics = crate::telemetry::record_metrics().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let server = a_server(on_a_file(folder.path()).await).await;
    server.get("/api/v1/workouts/0190a0a0-0000-7000-8000-000000000001", "forged").await;
    server.login("north", "cleo@example.com", "wrong horse").await;

    let (engine, _) = operators::tests::an_engine().await;
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let shown = text(admin_router(metrics, operators::routes(engine)).oneshot(request).await.unwrap()).await;

    assert!(shown.contains("spotter_http_request_duration_seconds_bucket{route=\"/api/v1/workouts/{id}\""));
    assert!(shown.contains("spotter_auth_attempts_total{result=\"bad_credentials\"}"));
    assert!(shown.contains("spotter_build_info{version="));
    assert!(!shown.contains("0190a0a0"));
}
