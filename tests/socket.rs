//! The socket edge of the real binary: what it answers to each kind of caller and frame.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/server.rs"]
mod server;
#[path = "support/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use server::{Person, Server};
use spotter_protocol::{
    Ack, Address, Attention, Badge, ClientFrame, ClientId, CloseCode, Codec, CommandFrame, EntityView,
    ErrorCode, Event, Fault, Hello, InboxCommand, InboxEvent, Message as Letter, MessageId, MessageText,
    Pain, PainLevel, Ping, ReceiptKind, Reply, ServerFrame, SessionCommand, SessionId, Shown, Signal,
    SignalKey, Site, Start, Subscribe, Title, Token, Unsubscribe, UserId, Version, View,
};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;
use wire::{Closed, Wire, command, now};

/// A running server with one gym.
struct Gym {
    server: Server,
    athletes: Vec<Person>,
    coach: Person,
    _folder: TempDir,
}

async fn a_gym(variables: &[(&str, &str)]) -> Gym {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), variables);
    let (athletes, coach) = server.populate("iron", 2).await;
    server.start().await;
    Gym { server, athletes, coach, _folder: folder }
}

impl Gym {
    async fn connect(&self, person: &Person) -> Wire {
        let mut wire = Wire::open(&self.server.socket(), &person.token, a_client(), None).await.unwrap();
        assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
        wire
    }
}

fn a_client() -> ClientId {
    ClientId(Uuid::now_v7())
}

fn a_session(person: &Person) -> Address {
    Address::session(person.user, SessionId(Uuid::now_v7()))
}

fn start(client: ClientId, to: Address) -> CommandFrame {
    command(client, 1, to, Start { workout: None, title: Some(Title::clipped("Legs")) })
}

async fn reply(wire: &mut Wire) -> Reply {
    loop {
        if let ServerFrame::Reply(reply) = wire.next().await.unwrap() {
            return reply;
        }
    }
}

async fn fault(wire: &mut Wire) -> Fault {
    reply(wire).await.error.expect("refused")
}

async fn close_code(wire: &mut Wire) -> Option<u16> {
    loop {
        if let Err(Closed(code)) = wire.next().await {
            return code;
        }
    }
}

#[tokio::test]
async fn nobody_is_served_without_a_good_hello() {
    let gym = a_gym(&[]).await;
    let url = gym.server.socket();

    let mut rude = Wire::connect(&url, Codec::MsgPack).await.unwrap();
    rude.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
    assert_eq!(close_code(&mut rude).await, Some(1008));

    let mut forged = Wire::open(&url, "forged", a_client(), None).await.unwrap();
    assert_eq!(close_code(&mut forged).await, Some(4503));

    let mut mistaken = Wire::connect(&url, Codec::MsgPack).await.unwrap();
    mistaken.send_raw(Message::Text("{}".into())).await.unwrap();
    assert_eq!(close_code(&mut mistaken).await, Some(1003));

    let mut silent = Wire::connect(&url, Codec::MsgPack).await.unwrap();
    assert_eq!(close_code(&mut silent).await, Some(1008));
}

#[tokio::test]
async fn broken_frames_are_answered_or_closed_and_others_go_on() {
    let gym = a_gym(&[]).await;
    let mut wire = gym.connect(&gym.athletes[0]).await;

    wire.send_raw(Message::Binary(
        Codec::MsgPack.encode("dance", &Unsubscribe { req: 7, to: a_session(&gym.coach) }).into(),
    ))
    .await
    .unwrap();
    let answer = reply(&mut wire).await;
    assert_eq!((answer.req, answer.error.map(|fault| fault.code)), (Some(7), Some(ErrorCode::UnknownFrame)));

    #[derive(serde::Serialize)]
    struct Half {
        req: u64,
    }
    wire.send_raw(Message::Binary(Codec::MsgPack.encode("subscribe", &Half { req: 8 }).into()))
        .await
        .unwrap();
    let answer = reply(&mut wire).await;
    assert_eq!((answer.req, answer.error.map(|fault| fault.code)), (Some(8), Some(ErrorCode::BadFrame)));

    let mut bystander = gym.connect(&gym.athletes[1]).await;
    let mut deep = b"\x92\xa4ping".to_vec();
    deep.extend(std::iter::repeat_n(0x91, 10_000));
    wire.send_raw(Message::Binary(deep.into())).await.unwrap();
    assert_eq!(close_code(&mut wire).await, Some(1002));

    let mut wide = gym.connect(&gym.athletes[0]).await;
    wide.send_raw(Message::Binary(vec![0; 70_000].into())).await.unwrap();
    assert_eq!(close_code(&mut wide).await, Some(1009));

    bystander.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
    assert!(matches!(bystander.next().await.unwrap(), ServerFrame::Pong(_)));
}

#[tokio::test]
async fn a_repeat_is_answered_as_done_and_a_gap_as_out_of_order() {
    let gym = a_gym(&[]).await;
    let mut wire = gym.connect(&gym.athletes[0]).await;
    let (client, session) = (a_client(), a_session(&gym.athletes[0]));
    let first = start(client, session);

    wire.send(ClientFrame::Command(first.clone())).await.unwrap();
    let done = reply(&mut wire).await;
    wire.send(ClientFrame::Command(first.clone())).await.unwrap();
    let again = reply(&mut wire).await;
    wire.send(ClientFrame::Command(CommandFrame { n: 5, after: 4, ..first })).await.unwrap();
    let early = fault(&mut wire).await;

    assert_eq!((done.v, done.repeat), (Some(Version(1)), false));
    assert_eq!((again.v, again.repeat), (Some(Version(1)), true));
    assert_eq!((early.code, early.highest), (ErrorCode::OutOfOrder, Some(1)));
}

#[tokio::test]
async fn absent_foreign_and_forbidden_look_the_same() {
    let gym = a_gym(&[]).await;
    let (others, _) = gym.server.populate("other", 1).await;
    let (mine, foreign) = (a_session(&gym.athletes[0]), a_session(&others[0]));
    let mut athlete = gym.connect(&gym.athletes[0]).await;
    let mut stranger = gym.connect(&others[0]).await;
    let mut peer = gym.connect(&gym.athletes[1]).await;
    athlete.send(ClientFrame::Command(start(a_client(), mine))).await.unwrap();
    stranger.send(ClientFrame::Command(start(a_client(), foreign))).await.unwrap();
    assert!(reply(&mut athlete).await.v.is_some() && reply(&mut stranger).await.v.is_some());

    let mut faults = Vec::new();
    for (wire, to) in [(&mut athlete, foreign), (&mut peer, mine)] {
        wire.subscribe(1, to, None).await.unwrap();
        faults.push(fault(wire).await);
        wire.send(ClientFrame::Command(start(a_client(), to))).await.unwrap();
        faults.push(fault(wire).await);
    }
    athlete.subscribe(1, a_session(&gym.athletes[0]), None).await.unwrap();
    faults.push(fault(&mut athlete).await);

    assert!(faults.iter().all(|fault| *fault == Fault::new(ErrorCode::NotFound)), "{faults:?}");
}

#[tokio::test]
async fn a_connection_has_a_limit_of_commands() {
    let gym =
        a_gym(&[("SPOTTER_SOCKET__COMMANDS_PER_S", "1"), ("SPOTTER_SOCKET__COMMANDS_BURST", "2")]).await;
    let mut wire = gym.connect(&gym.athletes[0]).await;
    let mut busy = None;
    for _ in 0..3 {
        wire.send(ClientFrame::Command(start(a_client(), a_session(&gym.athletes[0])))).await.unwrap();
        busy = reply(&mut wire).await.error;
    }

    let busy = busy.expect("the third is one too many");

    assert_eq!(busy.code, ErrorCode::Busy);
    assert!(busy.retry_after_ms.is_some_and(|wait| (1..=1000).contains(&wait.0)));
}

#[tokio::test]
async fn who_is_silent_for_two_and_a_half_heartbeats_is_closed_and_who_is_not_stays() {
    let gym = a_gym(&[("SPOTTER_SOCKET__HEARTBEAT_MS", "1000")]).await;
    let mut silent = gym.connect(&gym.athletes[0]).await;
    let mut speaks = gym.connect(&gym.athletes[1]).await;
    // Who reads answers the server's pings.
    let mut reads = gym.connect(&gym.athletes[1]).await;
    let speaking = async {
        loop {
            speaks.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
            assert!(matches!(speaks.next().await.unwrap(), ServerFrame::Pong(_)));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };

    let one_is_gone = async {
        while gym.server.metric("spotter_ws_connections").await > 2.0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };

    let begun = Instant::now();
    tokio::select! {
        () = one_is_gone => {}
        never = speaking => never,
        heard = reads.next() => panic!("who only reads is left alone: {heard:?}"),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("everybody stays"),
    }

    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(close_code(&mut silent).await, Some(CloseCode::Idle.number()));
}

#[tokio::test]
async fn operators_are_told_how_long_a_commit_takes() {
    let gym = a_gym(&[]).await;
    let mut wire = gym.connect(&gym.athletes[0]).await;
    let before = gym.server.metric("spotter_journal_commit_seconds_count").await;
    wire.send(ClientFrame::Command(start(a_client(), a_session(&gym.athletes[0])))).await.unwrap();
    assert!(reply(&mut wire).await.error.is_none());

    assert!(gym.server.metric("spotter_journal_commit_seconds_count").await > before);
    assert!(gym.server.metric("spotter_journal_commit_seconds_sum").await > 0.0);
}

#[tokio::test]
async fn a_token_is_renewed_on_the_live_socket_and_only_by_its_own_user() {
    let gym = a_gym(&[]).await;
    let mut wire = gym.connect(&gym.athletes[0]).await;

    wire.send(ClientFrame::Token(Token { req: 3, token: gym.athletes[0].token.clone() })).await.unwrap();
    assert_eq!(reply(&mut wire).await, Reply::ok(3, Version(0)));

    wire.send(ClientFrame::Token(Token { req: 4, token: gym.athletes[1].token.clone() })).await.unwrap();
    assert_eq!(close_code(&mut wire).await, Some(4503));
}

#[tokio::test]
async fn the_same_frames_travel_as_json() {
    let gym = a_gym(&[]).await;
    let athlete = &gym.athletes[0];
    let mut wire = Wire::connect(&gym.server.socket(), Codec::Json).await.unwrap();
    let (client, session) = (a_client(), a_session(athlete));
    let hello =
        Hello { token: athlete.token.clone(), client, clock: now(), features: Vec::new(), incarnation: None };
    wire.send(ClientFrame::Hello(hello)).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));

    wire.send(ClientFrame::Command(start(client, session))).await.unwrap();
    assert_eq!(reply(&mut wire).await, Reply::ok(1, Version(1)));
    wire.send(ClientFrame::Subscribe(Subscribe { req: 2, to: session, since: None, view: None }))
        .await
        .unwrap();
    let ServerFrame::Snapshot(snapshot) = wire.next().await.unwrap() else {
        panic!("a snapshot comes first")
    };

    assert!(matches!(snapshot.state, EntityView::Session(state) if state.title.as_str() == "Legs"));
}

#[tokio::test]
async fn a_signal_reaches_who_follows_and_may_see_it() {
    let gym = a_gym(&[]).await;
    let mut athlete = gym.connect(&gym.athletes[0]).await;
    let (session, others) = (a_session(&gym.athletes[0]), a_session(&gym.athletes[1]));
    athlete.send(ClientFrame::Command(start(a_client(), session))).await.unwrap();
    reply(&mut athlete).await;
    let mut coach = gym.connect(&gym.coach).await;
    let mut screen = gym.connect(&gym.coach).await;
    coach.subscribe(1, session, None).await.unwrap();
    reply(&mut coach).await;
    let tv = Subscribe { req: 1, to: session, since: None, view: Some(View::Tv) };
    screen.send(ClientFrame::Subscribe(tv)).await.unwrap();
    reply(&mut screen).await;

    let signal = |to, value| ClientFrame::Signal(Signal { to, key: SignalKey::HeartRate, value });
    athlete.send(signal(session, 251)).await.unwrap();
    assert_eq!(fault(&mut athlete).await.code, ErrorCode::BadFrame);
    athlete.send(signal(others, 120)).await.unwrap();
    assert_eq!(fault(&mut athlete).await, Fault::new(ErrorCode::NotFound));
    athlete.send(signal(session, 142)).await.unwrap();

    let ServerFrame::Signal(heard) = coach.next().await.unwrap() else { panic!("the signal comes") };
    assert_eq!((heard.to, heard.key, heard.value), (session, SignalKey::HeartRate, 142));
    assert_eq!(heard.by, gym.athletes[0].user);
    screen.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
    assert!(matches!(screen.next().await.unwrap(), ServerFrame::Pong(_)), "a screen is shown no heart rate");
}

#[tokio::test]
async fn of_a_flood_of_signals_a_few_a_second_pass() {
    let gym = a_gym(&[]).await;
    let mut athlete = gym.connect(&gym.athletes[0]).await;
    let session = a_session(&gym.athletes[0]);
    athlete.send(ClientFrame::Command(start(a_client(), session))).await.unwrap();
    reply(&mut athlete).await;
    athlete.subscribe(2, session, None).await.unwrap();
    reply(&mut athlete).await;

    for value in 0..500 {
        let flood = Signal { to: session, key: SignalKey::Velocity, value };
        athlete.send(ClientFrame::Signal(flood)).await.unwrap();
    }

    // Signals wait behind the first answer; before the second none is left.
    let mut passed = 0;
    for _ in 0..2 {
        athlete.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
        while let ServerFrame::Signal(_) = athlete.next().await.unwrap() {
            passed += 1;
        }
    }
    assert!((1..=50).contains(&passed), "{passed} of 500 passed");
}

#[tokio::test]
async fn an_acknowledged_message_is_receipted_to_its_sender_and_one_only_sent_is_not() {
    let gym = a_gym(&[]).await;
    let (athlete, coach) = (&gym.athletes[0], &gym.coach);
    let (theirs, mine) = (Address::inbox(athlete.user), Address::inbox(coach.user));
    let mut reader = gym.connect(athlete).await;
    reader.subscribe(1, theirs, None).await.unwrap();
    let mut writer = gym.connect(coach).await;
    writer.subscribe(1, mine, None).await.unwrap();
    let message = InboxCommand::from(Letter {
        to: athlete.user,
        id: MessageId(Uuid::now_v7()),
        text: MessageText::clipped("Good work"),
        about: None,
    });
    writer.send(ClientFrame::Command(command(a_client(), 1, mine, message))).await.unwrap();
    let (arrived, _) =
        inbox_event(&mut reader, |event| matches!(event, InboxEvent::MessageReceived(_))).await;

    reader.send(ClientFrame::Ack(Ack { seen: vec![(theirs, Version(arrived.0 - 1))] })).await.unwrap();
    reader.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
    while !matches!(reader.next().await.unwrap(), ServerFrame::Pong(_)) {}
    writer.send(ClientFrame::Ping(Ping { clock: now() })).await.unwrap();
    let mut before = Vec::new();
    loop {
        match writer.next().await.unwrap() {
            ServerFrame::Pong(_) => break,
            ServerFrame::Events(frame) => before.extend(frame.events),
            _ => {}
        }
    }
    let receipted =
        |event: &Shown| matches!(event, Shown::Event(Event::Inbox(InboxEvent::ReceiptReceived(_))));
    assert!(!before.iter().any(|event| receipted(&event.ev)), "an earlier version says nothing of it");

    reader.send(ClientFrame::Ack(Ack { seen: vec![(theirs, arrived)] })).await.unwrap();

    let (_, event) = inbox_event(&mut writer, |event| matches!(event, InboxEvent::ReceiptReceived(_))).await;
    let InboxEvent::ReceiptReceived(receipt) = event else { unreachable!() };
    assert_eq!((receipt.with, receipt.kind), (athlete.user, ReceiptKind::Delivered));
}

/// The next event of an inbox that is such.
async fn inbox_event(wire: &mut Wire, wanted: impl Fn(&InboxEvent) -> bool) -> (Version, InboxEvent) {
    loop {
        let ServerFrame::Events(frame) = wire.next().await.unwrap() else { continue };
        for event in frame.events {
            if let Shown::Event(Event::Inbox(ev)) = event.ev
                && wanted(&ev)
            {
                return (event.v, ev);
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_says_when_to_come_back() {
    let mut gym = a_gym(&[]).await;
    let mut wire = gym.connect(&gym.coach).await;

    let stopping = tokio::spawn(async move { gym.server.stop().await });

    assert!(matches!(wire.next().await.unwrap(), ServerFrame::GoAway(_)));
    assert_eq!(close_code(&mut wire).await, Some(1012));
    assert_eq!(stopping.await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_room_shows_its_athletes_and_follows_the_coachs_choice() {
    let gym = a_gym(&[]).await;
    let mut coach = gym.connect(&gym.coach).await;
    let room = Address::room(gym.coach.user);
    coach.subscribe(1, room, None).await.unwrap();
    let full = tiles(&mut coach).await;
    assert!(full.full);
    assert_eq!(full.tiles.len(), 2);

    let mut athlete = gym.connect(&gym.athletes[0]).await;
    let session = a_session(&gym.athletes[0]);
    athlete.send(ClientFrame::Command(start(a_client(), session))).await.unwrap();
    let glance = loop {
        let frame = tiles(&mut coach).await;
        assert!(!frame.full);
        if let Some(glance) = frame.tiles.into_iter().find_map(|tile| tile.glance) {
            break glance;
        }
    };
    assert_eq!((glance.session.0, glance.title.as_str()), (session.id, "Legs"));

    let hide = spotter_protocol::RoomCommand::from(spotter_protocol::Hide { athlete: gym.athletes[0].user });
    coach.send(ClientFrame::Command(command(a_client(), 1, room, hide))).await.unwrap();
    while !tiles(&mut coach).await.gone.contains(&gym.athletes[0].user) {}
}

#[tokio::test]
async fn the_gyms_room_is_shown_without_what_is_between_an_athlete_and_a_coach() {
    let gym = a_gym(&[]).await;
    let mut watchers = Vec::new();
    for view in [View::Coach, View::Operator, View::Tv] {
        let mut wire = Wire::open(&gym.server.socket(), &gym.coach.token, a_client(), None).await.unwrap();
        let ServerFrame::Welcome(welcome) = wire.next().await.unwrap() else { panic!("welcome comes first") };
        let owner = if view == View::Coach { welcome.user } else { UserId(welcome.gym.0) };
        let subscribe = Subscribe { req: 1, to: Address::room(owner), since: None, view: Some(view) };
        wire.send(ClientFrame::Subscribe(subscribe)).await.unwrap();
        assert_eq!(tiles(&mut wire).await.tiles.len(), 2);
        watchers.push((view, wire));
    }

    let mut athlete = gym.connect(&gym.athletes[0]).await;
    let (client, session) = (a_client(), a_session(&gym.athletes[0]));
    athlete.send(ClientFrame::Command(start(client, session))).await.unwrap();
    let hurts =
        Pain { level: PainLevel::new(7).unwrap(), site: Site::clipped("left knee"), set: None, text: None };
    athlete
        .send(ClientFrame::Command(command(client, 2, session, SessionCommand::from(hurts))))
        .await
        .unwrap();

    for (view, mut wire) in watchers {
        let tile = loop {
            let tiles = tiles(&mut wire).await.tiles.into_iter();
            if let Some(tile) =
                tiles.into_iter().find(|tile| tile.glance.as_ref().is_some_and(|seen| seen.v.0 >= 2))
            {
                break tile;
            }
        };
        let glance = tile.glance.unwrap();
        let is_told = glance.pain.is_some() && glance.badges.contains(&Badge::Pain);
        assert_eq!((is_told, tile.attention == Attention::Pain), (view == View::Coach, view == View::Coach));
        assert_eq!(tile.presence.is_some(), view != View::Tv, "a screen does not tell who is there");
        assert_eq!(glance.title.as_str(), "Legs");
    }
}

async fn tiles(wire: &mut Wire) -> spotter_protocol::TilesFrame {
    loop {
        if let ServerFrame::Tiles(tiles) = wire.next().await.unwrap() {
            return tiles;
        }
    }
}
