//! What happens at one node is seen at another.

use std::time::Duration;

use spotter_protocol::{
    Address, ClientFrame, ClientId, CommandFrame, Cue, CueId, ErrorCode, Event, InboxCommand, InboxEvent,
    InstanceId, Message, MessageId, MessageText, NoteText, Reply, ServerFrame, SessionCommand, SessionEvent,
    SessionId, Signal, SignalKey, Start, Tile, Title, UserId, Version,
};
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::postgres::connect;
use crate::server::{Person, Server};
use crate::wire::{Wire, a_set, command, now};
use crate::{Nodes, TURN};

/// A server that does not answer for so long hangs.
const ANSWER: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coach_at_another_node_sees_who_trains_and_reaches_them() {
    let _turn = TURN.lock().await;
    let nodes = Nodes::start(3, 4).await;
    let mut phones = Vec::new();
    let mut coach = Phone::at(&nodes.nodes[1], &nodes.coach).await;
    coach.wire.subscribe(900, Address::room(nodes.coach.user), None).await.unwrap();
    coach.wire.subscribe(901, Address::inbox(nodes.coach.user), None).await.unwrap();
    let everybody: Vec<UserId> = nodes.athletes.iter().map(|athlete| athlete.user).collect();

    // Whichever node holds them, some athletes are connected elsewhere.
    for (number, athlete) in nodes.athletes.iter().enumerate() {
        let mut phone = Phone::at(&nodes.nodes[number % 3], athlete).await;
        phone.does(Start { workout: None, title: Some(Title::clipped("Legs")) }).await;
        phone.does(a_set(phone.instance)).await;
        phones.push(phone);
    }
    coach
        .shown(&everybody, |tile| {
            tile.glance.as_ref().is_some_and(|glance| glance.v >= Version(2))
                && tile.presence.is_some_and(|presence| presence.here)
        })
        .await;

    // A cue goes to each session, and its athlete sees it where they are; what they signal, the coach sees.
    for phone in &mut phones {
        phone.follows().await;
        let session = phone.session;
        coach.wire.subscribe(902, session, None).await.unwrap();
        let text = NoteText::clipped("chest up");
        let cue = Cue { cue: CueId(Uuid::now_v7()), text, group: None, set: None, expires_ms: None };
        coach.sends(1, session, SessionCommand::from(cue)).await;
        phone.sees(session, |event| matches!(event, Event::Session(SessionEvent::Cued(_)))).await;
        let key = SignalKey::HeartRate;
        phone.wire.send(ClientFrame::Signal(Signal { to: session, key, value: 120 })).await.unwrap();
        coach.hears_signal(session).await;
    }

    // Letters find their inboxes.
    for phone in &mut phones {
        let (id, text) = (MessageId(Uuid::now_v7()), MessageText::clipped("done"));
        let message = Message { to: nodes.coach.user, id, text, about: None };
        phone.sends(1, Address::inbox(phone.user), InboxCommand::from(message)).await;
        let is_it = |event: &Event| matches!(event, Event::Inbox(InboxEvent::MessageReceived(received)) if received.id == id);
        coach.sees(Address::inbox(nodes.coach.user), is_it).await;
    }

    // Of a node that ends without a word nobody is there any more, after the grace of those who reconnect.
    let mut nodes = nodes;
    nodes.nodes[0].kill().await;
    let gone: Vec<UserId> = everybody.iter().copied().step_by(3).collect();
    coach.shown(&gone, |tile| tile.presence.is_some_and(|presence| !presence.here)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gym_that_trains_at_several_nodes_is_removed_by_one_and_nothing_of_it_stays() {
    let _turn = TURN.lock().await;
    let nodes = Nodes::start(2, 40).await;
    let (others, _) = nodes.nodes[0].populate("another", 2).await;
    for (number, athlete) in nodes.athletes.iter().chain(&others).enumerate() {
        let mut phone = Phone::at(&nodes.nodes[number % 2], athlete).await;
        phone.does(Start { workout: None, title: Some(Title::clipped("Legs")) }).await;
        phone.does(a_set(phone.instance)).await;
    }

    let admin = nodes.nodes[0].admin();
    let remove = ["gym", "remove", "--slug", "together", "--yes", "--admin", &admin];
    let removed = nodes.nodes[0].tool(&remove, "");
    assert!(timeout(ANSWER, removed).await.unwrap().contains("together is removed"));

    let mut connection = connect(&nodes.database).await;
    for (table, owner) in [
        ("entities", "owner"),
        ("sessions", "owner"),
        ("sets", "owner"),
        ("bests", "owner"),
        ("messages", "owner"),
        ("reminders", "owner"),
        ("letters", "recipient"),
    ] {
        let left = AssertSqlSafe(format!(
            "SELECT count(*) FROM {table} WHERE {owner} NOT IN (SELECT id FROM users UNION SELECT id FROM gyms)"
        ));
        let left: i64 = sqlx::query_scalar(left).fetch_one(&mut connection).await.unwrap();
        assert_eq!(left, 0, "rows of nobody in {table}");
    }
    let streams = "SELECT count(*) FROM journal WHERE stream NOT IN (SELECT stream FROM entities)";
    let streams: i64 = sqlx::query_scalar(streams).fetch_one(&mut connection).await.unwrap();
    let people: i64 =
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&mut connection).await.unwrap();
    assert_eq!((streams, people), (0, 3));
    connection.close().await.unwrap();
    let mut phone = Phone::at(&nodes.nodes[1], &others[0]).await;
    phone.does(Start { workout: None, title: Some(Title::clipped("Legs")) }).await;
    assert!(nodes.nodes[0].tool(&["verify"], "").await.starts_with("clean: "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_changes_ends_the_sockets_of_every_node() {
    let _turn = TURN.lock().await;
    let nodes = Nodes::start(2, 1).await;
    let athlete = &nodes.athletes[0];
    let mut phones = [Phone::at(&nodes.nodes[0], athlete).await, Phone::at(&nodes.nodes[1], athlete).await];

    let passwd = ["user", "passwd", "--gym", "together", "--email", &athlete.email, "--password-stdin"];
    nodes.nodes[0].tool(&passwd, "correct horse\n").await;

    for phone in &mut phones {
        let ended = timeout(Duration::from_secs(2), async {
            loop {
                if let Err(closed) = phone.wire.next().await {
                    return closed.0;
                }
            }
        });
        assert_eq!(ended.await.expect("within two seconds"), Some(4503));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_serves_alone_and_who_shares_do_not_serve_from_one_database() {
    let _turn = TURN.lock().await;
    let mut nodes = Nodes::start(1, 1).await;
    let alone = [("SPOTTER_DATABASE", nodes.database.as_str()), ("SPOTTER_LOG__FILTER", "off")];
    let mut alone = Server::prepare(nodes.folder.path(), &alone);

    assert_eq!(alone.start_in_vain().await, Some(1), "others share");
    assert_eq!(nodes.nodes[0].stop().await, Some(0));
    alone.start().await;
    assert_eq!(nodes.nodes[0].start_in_vain().await, Some(1), "it lets nobody join");
}

/// Somebody with a socket, who does one thing after another.
struct Phone {
    wire: Wire,
    user: UserId,
    client: ClientId,
    session: Address,
    instance: InstanceId,
    done: u64,
}

impl Phone {
    async fn at(node: &Server, person: &Person) -> Self {
        let client = ClientId(Uuid::now_v7());
        let mut wire = Wire::open(&node.socket(), &person.token, client, None).await.unwrap();
        let ServerFrame::Welcome(_) = wire.next().await.unwrap() else { panic!("welcome comes first") };
        let session = Address::session(person.user, SessionId(Uuid::now_v7()));
        Self { wire, user: person.user, client, session, instance: InstanceId(Uuid::now_v7()), done: 0 }
    }

    /// Does something in one's own session.
    async fn does(&mut self, what: impl Into<spotter_protocol::Command>) {
        self.done += 1;
        self.sends(self.done, self.session, what).await;
    }

    /// Sends a command until it is accepted.
    async fn sends(&mut self, n: u64, to: Address, what: impl Into<spotter_protocol::Command>) {
        let frame = CommandFrame { req: 1_000 + n, at: now(), ..command(self.client, n, to, what) };
        let accepted = async {
            loop {
                self.wire.send(ClientFrame::Command(frame.clone())).await.unwrap();
                match self.answer(frame.req).await.error {
                    None => return,
                    Some(fault) => assert_eq!(fault.code, ErrorCode::Unavailable, "{fault}"),
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(ANSWER, accepted).await.expect("the command is accepted");
    }

    async fn answer(&mut self, req: u64) -> Reply {
        loop {
            match self.wire.next().await.unwrap() {
                ServerFrame::Reply(reply) if reply.req == Some(req) => return reply,
                _ => {}
            }
        }
    }

    async fn follows(&mut self) {
        self.wire.subscribe(903, self.session, None).await.unwrap();
        assert_eq!(self.answer(903).await.error, None);
    }

    /// Waits until an event of an entity is shown.
    async fn sees(&mut self, to: Address, is_it: impl Fn(&Event) -> bool) {
        let seen = async {
            loop {
                let ServerFrame::Events(events) = self.wire.next().await.unwrap() else { continue };
                let shown = events.events.iter().any(|event| match &event.ev {
                    spotter_protocol::Shown::Event(event) => is_it(event),
                    _ => false,
                });
                if events.to == to && shown {
                    return;
                }
            }
        };
        timeout(ANSWER, seen).await.expect("the event is shown");
    }

    async fn hears_signal(&mut self, about: Address) {
        let heard = async {
            loop {
                if let ServerFrame::Signal(signal) = self.wire.next().await.unwrap()
                    && signal.to == about
                {
                    return;
                }
            }
        };
        timeout(ANSWER, heard).await.expect("the signal is heard");
    }

    /// Waits until the tile of each has been as wanted.
    async fn shown(&mut self, people: &[UserId], is_so: impl Fn(&Tile) -> bool) {
        let mut missing = people.to_vec();
        let shown = async {
            while !missing.is_empty() {
                let ServerFrame::Tiles(tiles) = self.wire.next().await.unwrap() else { continue };
                for tile in tiles.tiles.iter().filter(|tile| is_so(tile)) {
                    missing.retain(|athlete| *athlete != tile.athlete);
                }
            }
        };
        timeout(ANSWER, shown).await.expect("every tile is as it should be");
    }
}
