//! Messages over real sockets while the server is killed at random: each arrives once, those of a pair in the
//! order they were sent, receipts come back, and an inbox that takes nothing holds up nobody else's.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/server.rs"]
mod server;
#[path = "support/wire.rs"]
mod wire;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use server::{Person, Server};
use spotter_protocol::{
    Ack, Address, ClientFrame, ClientId, CommandFrame, EntityView, ErrorCode, Event, EventsFrame,
    InboxCommand, InboxEvent, Message, MessageId, MessageText, Notice, Notified, Persistence, Read,
    ReceiptKind, Reply, ServerFrame, Shown, UserId, Version, Vocabulary,
};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqliteRow};
use sqlx::{ConnectOptions, Row};
use tokio::task::JoinSet;
use uuid::Uuid;
use wire::{Closed, Wire};

const ATHLETES: usize = 12;
const KILLS: usize = 12;
const SEED: u64 = 0x006d_6169_6c00;
/// Acknowledged commands between two kills, at least and at most.
const ACKS_BETWEEN: std::ops::Range<u64> = 60..240;
/// Commands a person has under way at once.
const WINDOW: usize = 3;
/// How often somebody looks up from a socket or at the database.
const LOOK_UP: Duration = Duration::from_millis(50);
/// A run that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(120);

/// What everyone shares.
struct Post {
    url: String,
    acks: AtomicU64,
    /// No new messages.
    stopping: AtomicBool,
    /// Everything has arrived and was read.
    finished: AtomicBool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_arrives_once_and_in_order_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"),
        ("SPOTTER_SOCKET__COMMANDS_BURST", "10000"),
        // Streams end between kills, too.
        ("SPOTTER_ENGINE__ROTATE_EVERY", "60"),
    ];
    let mut server = Server::prepare(folder.path(), &settings);
    let (athletes, coach) = server.populate("post", ATHLETES).await;
    server.start().await;

    let post = Arc::new(Post {
        url: server.socket(),
        acks: AtomicU64::new(0),
        stopping: AtomicBool::new(false),
        finished: AtomicBool::new(false),
    });
    let mut writing = JoinSet::new();
    let everyone: Vec<UserId> = athletes.iter().map(|athlete| athlete.user).collect();
    for (number, athlete) in athletes.into_iter().enumerate() {
        writing.spawn(write(Arc::clone(&post), athlete, vec![coach.user], SEED + number as u64));
    }
    writing.spawn(write(Arc::clone(&post), coach.clone(), everyone.clone(), SEED - 1));

    let mut stranded = 0;
    let whole = async {
        let mut chance = StdRng::seed_from_u64(SEED);
        for _ in 0..KILLS {
            let enough = post.acks.load(Ordering::Relaxed) + chance.random_range(ACKS_BETWEEN);
            while post.acks.load(Ordering::Relaxed) < enough {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            server.kill().await;
            stranded += letters_under_way(&open(&server).await).await;
            server.start().await;
        }
        post.stopping.store(true, Ordering::Relaxed);
        let database = open(&server).await;
        while !all_is_read(&database).await {
            tokio::time::sleep(LOOK_UP).await;
        }
        post.finished.store(true, Ordering::Relaxed);
        writing.join_all().await
    };
    let sent = tokio::time::timeout(DEADLINE, whole).await.expect("everything arrives in time");
    let database = open(&server).await;
    let inboxes = read_inboxes(&database).await;
    check_history(&server, &coach, everyone[0], &inboxes[&coach.user]).await;
    assert!(server.tool(&["verify"], "").await.starts_with("clean: "), "beside the running server");
    assert_eq!(server.stop().await, Some(0), "a drained server exits 0");
    assert!(server.tool(&["verify"], "").await.starts_with("clean: "));

    for athlete in &everyone {
        let told = |(_, event): &&(Version, InboxEvent)| {
            *event == Notified { notice: Notice::linked(coach.user) }.into()
        };
        assert_eq!(inboxes[athlete].iter().filter(told).count(), 1, "told of the link once");
    }
    let mut messages = 0;
    for (from, acknowledged) in &sent {
        let mine: Vec<_> = inboxes[from].iter().filter_map(sent_by).collect();
        for id in acknowledged {
            assert_eq!(mine.iter().filter(|(_, sent)| sent == id).count(), 1, "acknowledged, and sent once");
        }
        for (to, _) in sent.iter().filter(|(to, _)| to != from) {
            let left: Vec<MessageId> =
                mine.iter().filter(|(whom, _)| whom == to).map(|(_, id)| *id).collect();
            let arrived: Vec<MessageId> = inboxes[to]
                .iter()
                .filter_map(received_from)
                .filter(|(who, _)| who == from)
                .map(|(_, id)| id)
                .collect();
            assert_eq!(left, arrived, "{from} to {to}: once, in order");
            messages += left.len();
        }
    }
    assert_eq!(letters_under_way(&database).await, 0);
    assert!(rotations(&database).await > 0, "no stream was followed by another: that is not shown");
    assert!(stranded > 0, "no kill came between a commit and its letters: the test has shown nothing");
    println!(
        "{messages} messages over {KILLS} kills; {stranded} letters found under way after one; seed {SEED:#x}"
    );
}

fn sent_by((_, event): &(Version, InboxEvent)) -> Option<(UserId, MessageId)> {
    if let InboxEvent::MessageSent(sent) = event { Some((sent.to, sent.id)) } else { None }
}

fn received_from((_, event): &(Version, InboxEvent)) -> Option<(UserId, MessageId)> {
    if let InboxEvent::MessageReceived(received) = event { Some((received.from, received.id)) } else { None }
}

/// Somebody who writes to all of `peers` until told to stop, and reads what comes in until all is done. Answers
/// the messages that were acknowledged.
async fn write(
    post: Arc<Post>,
    person: Person,
    peers: Vec<UserId>,
    seed: u64,
) -> (UserId, HashSet<MessageId>) {
    let mut writer = Writer {
        inbox: Address::inbox(person.user),
        client: ClientId(Uuid::now_v7()),
        next: 1,
        tail: 0,
        unanswered: VecDeque::new(),
        unread: HashMap::new(),
        acknowledged: HashSet::new(),
        seen: None,
        delivered: None,
        incarnation: None,
        chance: StdRng::seed_from_u64(seed),
    };
    while writer.connected(&post, &person, &peers).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (person.user, writer.acknowledged)
}

struct Writer {
    inbox: Address,
    client: ClientId,
    next: u64,
    /// The number that the next command follows.
    tail: u64,
    unanswered: VecDeque<CommandFrame>,
    /// What came in and was not read yet: up to which version, by sender.
    unread: HashMap<UserId, Version>,
    acknowledged: HashSet<MessageId>,
    seen: Option<Version>,
    /// What this device has said that it has.
    delivered: Option<Version>,
    incarnation: Option<Uuid>,
    chance: StdRng,
}

impl Writer {
    async fn connected(&mut self, post: &Post, person: &Person, peers: &[UserId]) -> Result<(), Closed> {
        let mut wire = Wire::open(&post.url, &person.token, self.client, self.incarnation).await?;
        let ServerFrame::Welcome(welcome) = wire.next().await? else { panic!("welcome comes first") };
        self.incarnation = Some(welcome.incarnation);
        wire.subscribe(0, self.inbox, self.seen).await?;
        for command in &self.unanswered {
            wire.send(ClientFrame::Command(command.clone())).await?;
        }
        while !(post.finished.load(Ordering::Relaxed) && self.unanswered.is_empty()) {
            if self.delivered < self.seen
                && let Some(seen) = self.seen
            {
                wire.send(ClientFrame::Ack(Ack { seen: vec![(self.inbox, seen)] })).await?;
                self.delivered = self.seen;
            }
            while self.unanswered.len() < WINDOW
                && let Some(command) = self.think(post.stopping.load(Ordering::Relaxed), peers)
            {
                let command = wire::command(self.client, self.next, self.inbox, command);
                let command = CommandFrame { after: self.tail, ..command };
                (self.tail, self.next) = (self.next, self.next + 1);
                self.unanswered.push_back(command.clone());
                wire.send(ClientFrame::Command(command)).await?;
            }
            let Ok(frame) = tokio::time::timeout(LOOK_UP, wire.next()).await else { continue };
            match frame? {
                ServerFrame::Reply(Reply { req: Some(0), error, .. }) => assert_eq!(error, None),
                ServerFrame::Reply(Reply { req: Some(n), error, .. }) => {
                    if let Some(command) = self.answered(post, n, error) {
                        wire.send(ClientFrame::Command(command)).await?;
                    }
                }
                ServerFrame::Snapshot(snapshot) => {
                    self.seen = Some(snapshot.v);
                    let EntityView::Inbox(view) = snapshot.state else { panic!("an inbox shows itself") };
                    for talk in view.conversations.iter().filter(|talk| talk.unread > 0) {
                        let newest =
                            talk.messages.iter().rev().find(|message| !message.mine).expect("unread");
                        self.unread.insert(talk.with, newest.v);
                    }
                }
                ServerFrame::Events(events) => self.hear(&events),
                ServerFrame::GoAway(_) => {}
                other => panic!("not asked for: {other:?}"),
            }
        }
        Ok(())
    }

    /// What to say next: to read what came in, or else to write to somebody.
    fn think(&mut self, stopping: bool, peers: &[UserId]) -> Option<InboxCommand> {
        if let Some(with) = self.unread.keys().next().copied() {
            let through = self.unread.remove(&with).expect("just found");
            return Some(Read { with, through }.into());
        }
        let to = peers[self.chance.random_range(0..peers.len())];
        let text = MessageText::clipped(&format!("number {}", self.next));
        (!stopping).then(|| Message { to, id: MessageId(Uuid::now_v7()), text, about: None }.into())
    }

    /// Notes an answer; gives back what has to be sent again.
    fn answered(
        &mut self,
        post: &Post,
        n: u64,
        error: Option<spotter_protocol::Fault>,
    ) -> Option<CommandFrame> {
        let place =
            self.unanswered.iter().position(|command| command.n == n).expect("an answer to a question");
        match error {
            Some(ref fault) if fault.kind == Persistence::Temporary => {
                return Some(self.unanswered[place].clone());
            }
            // Two reads of the same may be under way after a snapshot.
            Some(ref fault) => assert_eq!(fault.code, ErrorCode::NoChange, "{fault}"),
            None => {}
        }
        let command = self.unanswered.remove(place).expect("just found");
        if error.is_some() {
            // What followed the one that was dropped follows the one before it.
            let follow = |after: &mut u64| {
                if *after == n {
                    *after = command.after;
                }
            };
            self.unanswered.iter_mut().for_each(|later| follow(&mut later.after));
            follow(&mut self.tail);
            return None;
        }
        if let spotter_protocol::Command::Inbox(InboxCommand::Message(message)) = command.command {
            self.acknowledged.insert(message.id);
        }
        post.acks.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn hear(&mut self, frame: &EventsFrame) {
        for event in &frame.events {
            assert_eq!(Some(event.v), self.seen.map(Version::next), "each version once, in order");
            self.seen = Some(event.v);
            if let Shown::Event(Event::Inbox(InboxEvent::MessageReceived(message))) = &event.ev {
                self.unread.insert(message.from, event.v);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_that_cannot_be_read_waits_and_nobody_elses_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), &[]);
    let (athletes, coach) = server.populate("post", 2).await;
    let (ill, well) = (&athletes[0], &athletes[1]);
    let client = ClientId(Uuid::now_v7());
    let inbox = Address::inbox(coach.user);

    server.start().await;
    let mut wire = said_hello(&server, &coach, client).await;
    for (n, to) in [(1, ill), (2, well)] {
        tell(&mut wire, client, n, inbox, to.user).await;
    }
    arrived(&server, ill.user, 1).await;
    arrived(&server, well.user, 1).await;
    assert_eq!(server.stop().await, Some(0));

    let kept = damage(&server, ill.user).await;
    server.start().await;
    let mut wire = said_hello(&server, &coach, client).await;
    for (n, to) in [(3, ill), (4, well), (5, ill), (6, well)] {
        tell(&mut wire, client, n, inbox, to.user).await;
    }
    arrived(&server, well.user, 3).await;
    assert_eq!(letters_to(&server, ill.user).await, 2, "they wait for the inbox that is ill");
    let mut theirs = said_hello(&server, ill, ClientId(Uuid::now_v7())).await;
    theirs.subscribe(1, Address::inbox(ill.user), None).await.unwrap();
    let fault = reply(&mut theirs).await.unwrap_err();
    assert_eq!(fault.kind, Persistence::Temporary, "{fault}");
    assert_eq!(server.stop().await, Some(0));

    repair(&server, ill.user, kept).await;
    server.start().await;
    arrived(&server, ill.user, 3).await;
    assert_eq!(letters_to(&server, ill.user).await, 0);
    let database = open(&server).await;
    let order: Vec<MessageId> = {
        let inboxes = read_inboxes(&database).await;
        let sent: Vec<_> = inboxes[&coach.user].iter().filter_map(sent_by).collect();
        let left: Vec<_> = sent.iter().filter(|(to, _)| *to == ill.user).map(|(_, id)| *id).collect();
        let got: Vec<_> = inboxes[&ill.user].iter().filter_map(received_from).map(|(_, id)| id).collect();
        assert_eq!(left, got);
        left
    };
    assert_eq!(order.len(), 3);
}

async fn said_hello(server: &Server, person: &Person, client: ClientId) -> Wire {
    let mut wire = Wire::open(&server.socket(), &person.token, client, None).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
    wire
}

async fn tell(wire: &mut Wire, client: ClientId, n: u64, inbox: Address, to: UserId) {
    let message =
        Message { to, id: MessageId(Uuid::now_v7()), text: MessageText::clipped("hello"), about: None };
    let command = InboxCommand::from(message);
    wire.send(ClientFrame::Command(wire::command(client, n, inbox, command))).await.unwrap();
    reply(wire).await.unwrap();
}

/// The next reply.
async fn reply(wire: &mut Wire) -> Result<Version, spotter_protocol::Fault> {
    loop {
        if let ServerFrame::Reply(reply) = wire.next().await.unwrap() {
            return reply.error.map_or(Ok(reply.v.unwrap_or_default()), Err);
        }
    }
}

/// Waits until `count` messages are in the inbox of `user`.
async fn arrived(server: &Server, user: UserId, count: i64) {
    let database = open(server).await;
    let whole = async {
        loop {
            let found =
                sqlx::query_scalar::<_, i64>("SELECT count(*) FROM messages WHERE owner = ? AND mine = 0");
            if found.bind(user.0.as_bytes().to_vec()).fetch_one(&database).await.unwrap() >= count {
                return;
            }
            tokio::time::sleep(LOOK_UP).await;
        }
    };
    tokio::time::timeout(DEADLINE, whole).await.expect("messages arrive");
}

/// Makes the first event of an inbox unreadable; answers what it was.
async fn damage(server: &Server, user: UserId) -> Vec<u8> {
    let database = open(server).await;
    let body = "SELECT body FROM journal WHERE version = 1 AND stream = \
                (SELECT stream FROM entities WHERE owner = ? AND kind = 'inbox')";
    let kept = sqlx::query_scalar(body).bind(user.0.as_bytes().to_vec()).fetch_one(&database).await.unwrap();
    repair(server, user, vec![0xc1]).await;
    kept
}

async fn repair(server: &Server, user: UserId, body: Vec<u8>) {
    let database = open(server).await;
    let change = "UPDATE journal SET body = ? WHERE version = 1 AND stream = \
                  (SELECT stream FROM entities WHERE owner = ? AND kind = 'inbox')";
    let changed =
        sqlx::query(change).bind(body).bind(user.0.as_bytes().to_vec()).execute(&database).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    database.close().await;
}

async fn open(server: &Server) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(server.data.join("spotter.db"))
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging();
    SqlitePool::connect_with(options).await.unwrap()
}

async fn letters_under_way(database: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM letters").fetch_one(database).await.unwrap()
}

async fn letters_to(server: &Server, user: UserId) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM letters WHERE recipient = ?");
    count.bind(user.0.as_bytes().to_vec()).fetch_one(&open(server).await).await.unwrap()
}

/// The pages of a conversation hold what the inbox journaled of it.
async fn check_history(server: &Server, person: &Person, with: UserId, inbox: &[(Version, InboxEvent)]) {
    let mut read: Vec<String> = Vec::new();
    let mut query = String::new();
    loop {
        let url = format!("{}/api/v1/messages/{with}?limit=7{query}", server.http());
        let page = reqwest::Client::new().get(url).bearer_auth(&person.token).send().await.unwrap();
        let page: serde_json::Value = page.error_for_status().unwrap().json().await.unwrap();
        let messages = page["messages"].as_array().unwrap();
        read.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
        match page.get("next_before") {
            Some(before) => query = format!("&before={before}"),
            None => break,
        }
    }
    let both = |event| sent_by(event).or_else(|| received_from(event)).filter(|(peer, _)| *peer == with);
    let mut journaled: Vec<String> = inbox.iter().filter_map(both).map(|(_, id)| id.to_string()).collect();
    journaled.reverse();
    assert_eq!(read, journaled);
}

/// Whether everything sent has arrived, was delivered and read, and the senders know.
async fn all_is_read(database: &SqlitePool) -> bool {
    if letters_under_way(database).await > 0 {
        return false;
    }
    let inboxes = read_inboxes(database).await;
    inboxes.values().all(|events| {
        let mut newest: HashMap<UserId, Version> = HashMap::new();
        let mut known: HashMap<UserId, [Version; 2]> = HashMap::new();
        for (version, event) in events {
            match event {
                InboxEvent::MessageSent(sent) => {
                    newest.insert(sent.to, *version);
                }
                InboxEvent::ReceiptReceived(receipt) => {
                    let known = known.entry(receipt.with).or_default();
                    let mark = &mut known[usize::from(receipt.kind == ReceiptKind::Read)];
                    *mark = receipt.through.max(*mark);
                }
                _ => {}
            }
        }
        newest.iter().all(|(to, sent)| known.get(to).is_some_and(|[_, read]| read >= sent))
    })
}

/// How often an entity left a stream for another.
async fn rotations(database: &SqlitePool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM journal WHERE kind = 'moved'").fetch_one(database).await.unwrap()
}

/// The events of every inbox, in order.
async fn read_inboxes(database: &SqlitePool) -> HashMap<UserId, Vec<(Version, InboxEvent)>> {
    // Through every stream that an inbox has left.
    let query = "WITH RECURSIVE streams (owner, stream) AS (
                     SELECT owner, stream FROM entities WHERE kind = 'inbox'
                     UNION ALL SELECT streams.owner, seal.stream FROM streams
                         JOIN journal AS seal ON seal.kind = 'moved' AND seal.body = streams.stream)
                 SELECT owner, version, journal.kind, body FROM streams JOIN journal USING (stream)
                 WHERE journal.kind <> 'moved' ORDER BY owner, version";
    let rows = sqlx::query(query).fetch_all(database).await.unwrap();
    let mut inboxes: HashMap<UserId, Vec<(Version, InboxEvent)>> = HashMap::new();
    let read = |row: &SqliteRow| {
        let owner = UserId(Uuid::from_slice(row.get("owner")).unwrap());
        let kind = InboxEvent::kind_of(row.get("kind")).unwrap();
        let event = InboxEvent::body_from_msgpack(kind, row.get("body")).unwrap();
        (owner, Version(u64::try_from(row.get::<i64, _>("version")).unwrap()), event)
    };
    for (owner, version, event) in rows.iter().map(read) {
        let events = inboxes.entry(owner).or_default();
        assert_eq!(version.0, events.len() as u64 + 1, "versions are consecutive");
        events.push((version, event));
    }
    inboxes
}
