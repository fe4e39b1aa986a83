//! People in a real Chromium. A coach signs in, sees a set that an athlete's socket logs on its tile, opens the
//! session, and is live again by itself after the server restarted. A coach and an athlete train together: cue,
//! plan, messages, and a set that was logged while there was no server.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/server.rs"]
mod server;
#[path = "support/wire.rs"]
mod wire;

use std::process::Stdio;
use std::time::Duration;

use server::{Person, Server};
use spotter_protocol::{
    Actual, Address, ClientFrame, ClientId, Command, Complete, InstanceId, Load, Name, Place, Reply, Reps,
    ServerFrame, SessionId, SetId, Start, Title, Unit,
};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use uuid::Uuid;
use wire::Wire;

const PASSWORD: &str = "a coach's long password";
/// Chromium on a busy machine starts slowly.
const STEP_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coach_sees_a_set_as_it_happens_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), &[]);
    let (athletes, coach) = server.populate("iron", 2).await;
    let_in(&server, &coach).await;
    server.start().await;
    let mut phone = Phone::new(&athletes[0]);
    let athlete = athletes[0].user.to_string();
    let mut browser = Browser::start(&server, "wall.mjs", &[("EMAIL", &coach.email), ("ATHLETE", &athlete)]);

    browser.expect("wall").await;
    phone.log(&server, Start { workout: None, title: Some(Title::clipped("Squats")) }).await;
    phone.log(&server, phone.set(142_500, 4)).await;
    browser.expect("tile").await;
    browser.expect("session").await;

    assert_eq!(server.stop().await, Some(0));
    browser.expect("lost").await;
    server.start().await;
    browser.expect("back").await;
    phone.log(&server, phone.set(145_000, 3)).await;
    browser.expect("recovered").await;

    assert!(browser.process.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coach_and_an_athlete_train_together_and_lose_nothing_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), &[]);
    let (athletes, coach) = server.populate("iron", 1).await;
    let_in(&server, &coach).await;
    let_in(&server, &athletes[0]).await;
    let everything = "view_sessions,message,log_sets,edit_plans";
    let pair = ["--coach", &coach.email, "--athlete", &athletes[0].email, "--permissions", everything];
    server.tool(&[&["link", "add", "--gym", "iron"][..], &pair[..]].concat(), "").await;
    server.start().await;
    let people = [("COACH", coach.email.as_str()), ("ATHLETE", athletes[0].email.as_str())];
    let mut browser = Browser::start(&server, "floor.mjs", &people);

    browser.expect("training").await;
    browser.expect("cue").await;
    browser.expect("patched").await;
    browser.expect("messages").await;
    browser.expect("logged").await;
    assert_eq!(server.stop().await, Some(0));
    browser.expect("kept").await;
    server.start().await;
    browser.expect("sent once").await;

    assert!(browser.process.wait().await.unwrap().success());
}

/// Gives somebody the password of these tests.
async fn let_in(server: &Server, person: &Person) {
    let password = format!("{PASSWORD}\n");
    server
        .tool(&["user", "passwd", "--gym", "iron", "--email", &person.email, "--password-stdin"], &password)
        .await;
}

/// An athlete who logs one command for each connection.
struct Phone {
    person: Person,
    client: ClientId,
    session: Address,
    instance: InstanceId,
    n: u64,
}

impl Phone {
    fn new(person: &Person) -> Self {
        Self {
            person: person.clone(),
            client: ClientId(Uuid::now_v7()),
            session: Address::session(person.user, SessionId(Uuid::now_v7())),
            instance: InstanceId(Uuid::now_v7()),
            n: 0,
        }
    }

    fn set(&self, grams: u32, reps: u32) -> Complete {
        let actual =
            Actual { load: Load::new(grams, Unit::Kg).ok(), reps: Reps::new(reps).ok(), ..Actual::default() };
        let place = Place {
            instance: self.instance,
            exercise: "barbell-squat".parse().unwrap(),
            name: Name::clipped("Barbell Squat"),
            load_kind: Default::default(),
            set_type: Default::default(),
        };
        Complete { set: SetId(Uuid::now_v7()), actual, place: Some(place) }
    }

    async fn log(&mut self, server: &Server, command: impl Into<Command>) {
        self.n += 1;
        let frame = wire::command(self.client, self.n, self.session, command);
        let mut wire = Wire::open(&server.socket(), &self.person.token, self.client, None).await.unwrap();
        wire.send(ClientFrame::Command(frame)).await.unwrap();
        loop {
            if let ServerFrame::Reply(Reply { v, error, .. }) = wire.next().await.unwrap() {
                assert!(v.is_some(), "{error:?}");
                return;
            }
        }
    }
}

/// The browser, which says what it sees line by line.
struct Browser {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    fn start(server: &Server, script: &str, people: &[(&str, &str)]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/e2e/");
        let mut process = tokio::process::Command::new("node")
            .arg(format!("{folder}{script}"))
            .env("BASE_URL", server.http())
            .env("GYM", "iron")
            .env("PASSWORD", PASSWORD)
            .envs(people.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node is installed");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    async fn expect(&mut self, what: &str) {
        let line = tokio::time::timeout(STEP_WITHIN, self.lines.next_line()).await;
        assert_eq!(line.expect("the page shows it in time").unwrap().as_deref(), Some(what));
    }
}
