//! The operators' routes over a real engine.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::response::Response;
use serde_json::{Value, json};
use spotter_actors::{
    Alone, Ask, Claim, Claims, Clock, DeadLetters, Journal, LocalBackplane, Ports, ReplyTo, SimulatedJournal,
    Tuning,
};
use spotter_protocol::{ClientId, CommandFrame, Note, NoteText, SessionId, Start, Title};
use tokio::sync::oneshot;
use tower::ServiceExt;

use super::*;

const GYM: GymId = GymId(Uuid::from_u128(1));
const ADA: UserId = UserId(Uuid::from_u128(2));
const SESSION: Address = Address::session(ADA, SessionId(Uuid::from_u128(3)));

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_760_000_000_000_000)
    }
}

pub(crate) async fn an_engine() -> (Arc<Engine>, Arc<SimulatedJournal>) {
    let journal = Arc::new(SimulatedJournal::default());
    let claim = journal.claim(Uuid::from_u128(9));
    (an_engine_over(&journal, &claim).await, journal)
}

/// An engine that holds what is claimed, be it somewhere else.
pub(crate) async fn an_engine_over(journal: &Arc<SimulatedJournal>, claim: &Claim) -> Arc<Engine> {
    let ports = Ports {
        journal: Arc::clone(journal) as Arc<dyn Journal>,
        library: Arc::clone(journal) as _,
        backplane: Arc::new(LocalBackplane::default()),
        dead_letters: Arc::clone(journal) as _,
        clock: Arc::new(Noon),
        peers: Arc::new(Alone),
    };
    let second = Duration::from_secs(1);
    let tuning =
        Tuning { idle: 60 * second, tick: second, snapshot_every: 100, rotate_every: 1000, lanes: 1 };
    Engine::start(ports, Arc::new(Claims::lasting(claim)), tuning).await.unwrap()
}

fn frame(n: u64, command: impl Into<spotter_protocol::Command>) -> CommandFrame {
    let id = CommandId(Uuid::from_u128(n.into()));
    let client = ClientId(Uuid::from_u128(4));
    CommandFrame { req: n, id, client, n, after: n - 1, at: Noon.now(), to: SESSION, command: command.into() }
}

/// An engine with a running session, and a remark on it that was given up.
async fn a_given_up_remark() -> (Arc<Engine>, DeadLetter) {
    let (engine, journal) = an_engine().await;
    let (done, answer) = oneshot::channel();
    let reply = ReplyTo::new(move |answer| drop(done.send(answer)));
    let start = frame(1, Start { workout: None, title: Some(Title::clipped("Legs")) });
    engine.dispatch(Ask::new(GYM, ADA, start, 0, Noon.now(), reply));
    answer.await.unwrap().unwrap();
    let note = frame(2, Note { set: None, text: NoteText::clipped("heavy") });
    let ask = Ask::new(GYM, ADA, note, 0, Noon.now(), ReplyTo::new(drop));
    let letter = DeadLetter::of(&ask, "a defect".to_owned(), Noon.now());
    assert!(journal.keep(&letter).await.unwrap());
    (engine, letter)
}

async fn call(engine: &Arc<Engine>, method: &str, path: &str, body: &str) -> Response {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(body.to_owned())).unwrap();
    routes(Arc::clone(engine)).oneshot(request).await.unwrap()
}

async fn json(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_slice(&to_bytes(response.into_body(), usize::MAX).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_command_that_was_given_up_is_shown_as_it_came_and_offered_again() {
    let (engine, letter) = a_given_up_remark().await;

    let listed = json(call(&engine, "GET", "/dead-letters", "").await).await;
    let shown = &listed["dead_letters"][0];
    assert_eq!(shown["id"], json!(letter.id.0));
    assert_eq!(shown["address"], json!(SESSION.to_string()));
    assert_eq!((&shown["kind"], &shown["why"]), (&json!("note"), &json!("a defect")));
    assert!(shown["frame"].to_string().contains("heavy"));

    let offer = format!("/dead-letters/{}/offer", letter.id.0);
    assert_eq!(json(call(&engine, "POST", &offer, "").await).await, json!({ "v": 2 }));
    assert_eq!(call(&engine, "POST", &offer, "").await.status(), StatusCode::NOT_FOUND, "it is gone");
    let listed = json(call(&engine, "GET", "/dead-letters", "").await).await;
    assert_eq!(listed, json!({ "dead_letters": [] }));
}

#[tokio::test]
async fn a_command_that_was_given_up_is_discarded_once() {
    let (engine, letter) = a_given_up_remark().await;
    let path = format!("/dead-letters/{}", letter.id.0);

    assert_eq!(call(&engine, "DELETE", &path, "").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(call(&engine, "DELETE", &path, "").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(call(&engine, "DELETE", "/dead-letters/all", "").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_what_is_in_quarantine_is_released() {
    let (engine, _) = an_engine().await;

    let held = json(call(&engine, "GET", "/quarantine", "").await).await;
    assert_eq!(held, json!({ "quarantined": [] }));
    let release = json!({ "address": SESSION.to_string() }).to_string();
    let response = call(&engine, "POST", "/quarantine/release", &release).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let response = call(&engine, "POST", "/quarantine/release", r#"{"address":"somebody"}"#).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}
