//! The disk is full, for real: a small file system of its own holds the data folder. Commands are answered
//! `unavailable`, nothing acknowledged is lost, and the same process serves again once there is room.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]
#![cfg(target_os = "linux")]

#[path = "support/server.rs"]
mod server;
#[path = "support/small_disk.rs"]
mod small_disk;
#[path = "support/wire.rs"]
mod wire;

use std::time::Duration;

use server::{Person, Server};
use small_disk::SmallDisk;
use spotter_protocol::{
    Address, ClientFrame, ClientId, CommandFrame, EntityView, ErrorCode, Note, NoteText, Persistence, Reply,
    ServerFrame, SessionCommand, SessionId, SessionView, Start, Title, Version,
};
use tokio::time::timeout;
use uuid::Uuid;
use wire::{Wire, command};

/// Room for the database, its log, and a few hundred sets.
const SIZE: &str = "6m";
/// A command whose outcome is unknown is offered again for some seconds before it is given up.
const ANSWER: Duration = Duration::from_secs(30);
/// How soon service is to return once there is room.
const RECOVERY: Duration = Duration::from_secs(60);

async fn connect(server: &Server, person: &Person) -> Wire {
    let client = ClientId(Uuid::now_v7());
    let mut wire = Wire::open(&server.socket(), &person.token, client, None).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
    wire
}

async fn ask(wire: &mut Wire, frame: &CommandFrame) -> Reply {
    wire.send(ClientFrame::Command(frame.clone())).await.unwrap();
    let answered = async {
        loop {
            if let ServerFrame::Reply(reply) = wire.next().await.unwrap() {
                return reply;
            }
        }
    };
    timeout(ANSWER, answered).await.expect("every command is answered")
}

fn note(client: ClientId, n: u64, to: Address) -> CommandFrame {
    // Long, so that a few of them need new pages.
    let text = NoteText::clipped(&format!("{n}: {}", "slower on the way down ".repeat(80)));
    command(client, n, to, SessionCommand::from(Note { set: None, text }))
}

async fn state(wire: &mut Wire, to: Address) -> (Version, SessionView) {
    wire.subscribe(9_000, to, None).await.unwrap();
    loop {
        if let ServerFrame::Snapshot(snapshot) = wire.next().await.unwrap()
            && let EntityView::Session(state) = snapshot.state
        {
            return (snapshot.v, state);
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_commands_loses_nothing_and_heals_without_a_restart() {
    let Some(disk) = SmallDisk::mount(SIZE) else {
        println!("skipped: this process may not mount a file system, and no other has a size of its own");
        return;
    };
    println!("on a tmpfs of its own, of {SIZE}");
    let mut server = Server::prepare(disk.path(), &[]);
    let (athletes, _) = server.populate("iron", 1).await;
    server.start().await;
    let mut wire = connect(&server, &athletes[0]).await;
    let (client, id) = (ClientId(Uuid::now_v7()), SessionId(Uuid::now_v7()));
    let session = Address::session(athletes[0].user, id);
    let start = command(client, 1, session, Start { workout: None, title: Some(Title::clipped("Legs")) });
    assert_eq!(ask(&mut wire, &start).await.v, Some(Version(1)));

    let filler = disk.fill();
    // The log has some room left that is its own; then a commit finds none.
    let mut acknowledged = 1;
    let refused = loop {
        let next = note(client, acknowledged + 1, session);
        let reply = ask(&mut wire, &next).await;
        match reply.error {
            None => acknowledged += 1,
            Some(fault) => break (next, fault),
        }
        assert!(acknowledged < 480, "the disk is full");
    };
    println!("{acknowledged} commands went in before the disk was full");
    assert_eq!((refused.1.code, refused.1.kind), (ErrorCode::Unavailable, Persistence::Temporary));
    let again = ask(&mut wire, &refused.0).await.error.expect("the disk is still full");
    assert_eq!(again.code, ErrorCode::Unavailable);

    std::fs::remove_file(filler).unwrap();
    let healed = async {
        loop {
            let reply = ask(&mut wire, &refused.0).await;
            match reply.error {
                None => return,
                Some(fault) => {
                    assert_eq!(fault.code, ErrorCode::Unavailable, "{fault}");
                    let wait = fault.retry_after_ms.map_or(100, |wait| wait.0.into());
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
        }
    };
    timeout(RECOVERY, healed).await.expect("service returns without a restart");
    let more = note(client, acknowledged + 2, session);
    assert_eq!(ask(&mut wire, &more).await.error, None);

    let (version, before) = state(&mut wire, session).await;
    assert_eq!(before.notes.len() as u64, acknowledged + 1, "every command once");
    server.kill().await;
    server.start().await;
    let mut wire = connect(&server, &athletes[0]).await;
    assert_eq!(state(&mut wire, session).await, (version, before), "what was acknowledged is on the disk");
    assert_eq!(server.stop().await, Some(0));
}
