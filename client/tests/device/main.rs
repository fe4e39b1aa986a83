//! A device against the other side of its socket: what it does when connections, replies and versions are
//! not what one would wish.

mod house;

use std::time::{Duration, Instant};

use house::{House, ME, soon};
use spotter_client::{Api, ApiError, Closed, News, Socket};
use spotter_protocol::{
    Address, ClientFrame, ClientId, CloseCode, Codec, EntityView, ErrorCode, EventsFrame, Fault, GoAway,
    Millis, Pause, PublishedEvent, Resume, RoomView, ServerFrame, SessionId, Shown, SnapshotFrame, Timestamp,
    Version, View, WorkoutId,
};
use tokio::sync::mpsc;
use uuid::Uuid;

const SESSION: Address = Address::session(ME, SessionId(Uuid::from_u128(9)));
/// Longer than any test.
const LONG_S: u32 = 3_600;

#[tokio::test]
async fn what_was_not_answered_is_sent_again_on_the_next_connection() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    let first = device.command(SESSION, Timestamp(1), Pause {}).await.unwrap();
    let second = device.command(SESSION, Timestamp(2), Resume {}).await.unwrap();
    let mut guest = house.welcome().await;
    let sent = guest.hear_command().await;
    assert_eq!((sent.id, sent.n, sent.after, sent.at), (first, 1, 0, Timestamp(1)));
    guest.accept(sent.req, 1).await;
    let unanswered = guest.hear_command().await;
    drop(guest);

    let mut guest = house.welcome().await;
    let repeated = guest.hear_command().await;
    guest.accept(repeated.req, 2).await;

    let same = |frame: &spotter_protocol::CommandFrame| (frame.id, frame.n, frame.after, frame.at);
    assert_eq!(same(&repeated), same(&unanswered));
    assert_ne!(repeated.req, unanswered.req, "a late reply to the first try must not count for the second");
    assert_eq!(answers(&mut news, 2).await, [(first, Ok(Version(1))), (second, Ok(Version(2)))]);
}

#[tokio::test]
async fn a_busy_server_gets_the_same_commands_after_the_time_it_asked_for() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    let id = device.command(SESSION, Timestamp(0), Pause {}).await.unwrap();
    let mut guest = house.welcome().await;
    let sent = guest.hear_command().await;
    let asked = Instant::now();
    guest.refuse(sent.req, Fault::retry(ErrorCode::Busy, Millis(120))).await;

    let repeated = guest.hear_command().await;

    assert!(asked.elapsed() >= Duration::from_millis(120));
    assert_eq!((repeated.id, repeated.n), (id, 1));
    guest.accept(repeated.req, 1).await;
    assert_eq!(answers(&mut news, 1).await, [(id, Ok(Version(1)))]);
}

#[tokio::test]
async fn a_command_refused_for_good_is_reported_and_the_rest_follows_the_one_before() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(device.command(SESSION, Timestamp(0), Pause {}).await.unwrap());
    }
    let mut guest = house.welcome().await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(guest.hear_command().await);
    }
    guest.accept(sent[0].req, 1).await;
    guest.refuse(sent[1].req, ErrorCode::WrongPhase).await;
    guest.refuse(sent[2].req, Fault { highest: Some(1), ..Fault::new(ErrorCode::OutOfOrder) }).await;

    let again = guest.hear_command().await;
    guest.accept(again.req, 2).await;

    assert_eq!((again.id, again.n, again.after), (ids[2], 3, 1));
    let outcomes = [Ok(Version(1)), Err(ErrorCode::WrongPhase), Ok(Version(2))];
    assert_eq!(answers(&mut news, 3).await, ids.into_iter().zip(outcomes).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_reply_to_a_subscription_is_not_taken_for_one_to_a_command() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    device.follow(SESSION).await.unwrap();
    let id = device.command(SESSION, Timestamp(0), Pause {}).await.unwrap();
    let mut guest = house.welcome().await;
    let (subscribe, command) = (guest.hear_subscribe().await, guest.hear_command().await);
    assert_ne!(subscribe.req, command.req);

    guest.refuse(command.req, ErrorCode::NotRunning).await;
    guest.accept(subscribe.req, 1).await;

    assert_eq!(answers(&mut news, 1).await, [(id, Err(ErrorCode::NotRunning))]);
}

#[tokio::test]
async fn a_subscription_resumes_at_the_version_held() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    device.follow(SESSION).await.unwrap();
    let mut guest = house.welcome().await;
    assert_eq!(guest.hello.incarnation, None);
    assert_eq!(guest.hear_subscribe().await.since, None);
    guest.say(a_snapshot(5)).await;
    guest.say(events([6, 7])).await;
    until_version(&mut news, 7).await;
    drop(guest);

    let mut guest = house.welcome().await;

    assert_eq!(guest.hello.incarnation, Some(house.incarnation));
    assert_eq!(guest.hear_subscribe().await.since, Some(Version(7)));
}

#[tokio::test]
async fn versions_of_another_incarnation_are_worth_nothing() {
    let mut house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    device.follow(SESSION).await.unwrap();
    let mut guest = house.welcome().await;
    guest.hear_subscribe().await;
    guest.say(a_snapshot(5)).await;
    until_version(&mut news, 5).await;
    drop(guest);
    house.incarnation = Uuid::from_u128(8);

    let mut guest = house.welcome().await;

    assert_eq!(guest.hear_subscribe().await.since, None);
    guest.say(a_snapshot(2)).await;
    until_version(&mut news, 2).await;
}

#[tokio::test]
async fn a_gap_or_a_double_is_reported_and_mended_by_a_snapshot() {
    for wrong in [events([7]), events([5]), events([6, 8]), a_snapshot(4)] {
        let house = House::open().await;
        let (device, mut news) = house.device(LONG_S);
        device.follow(SESSION).await.unwrap();
        let mut guest = house.welcome().await;
        guest.hear_subscribe().await;
        guest.say(a_snapshot(5)).await;
        until_version(&mut news, 5).await;

        guest.say(wrong.clone()).await;

        let closed = until_offline(&mut news).await;
        assert!(matches!(closed, Closed::Gap { to: SESSION, .. }), "{closed} after {wrong:?}");
        let mut guest = house.welcome().await;
        assert_eq!(guest.hear_subscribe().await.since, None);
    }
}

#[tokio::test]
async fn a_device_without_signal_keeps_its_commands_and_their_times() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    let guest = house.welcome().await;
    device.signal(false).await.unwrap();
    until_offline(&mut news).await;
    drop(guest);
    for at in [10, 20, 30] {
        device.command(SESSION, Timestamp(at), Pause {}).await.unwrap();
    }
    device.signal(true).await.unwrap();

    let mut guest = house.welcome().await;
    let mut sent = Vec::new();
    for _ in 0..3 {
        let frame = guest.hear_command().await;
        sent.push((frame.n, frame.after, frame.at.0));
    }

    assert_eq!(sent, [(1, 0, 10), (2, 1, 20), (3, 2, 30)]);
}

#[tokio::test]
async fn a_device_comes_back_when_go_away_asked_it_to() {
    let house = House::open().await;
    let (_device, _news) = house.device(LONG_S);
    let mut guest = house.welcome().await;
    let go_away = GoAway { delay_ms: Millis(900), reason: "a new release".to_owned() };
    guest.say(ServerFrame::GoAway(go_away)).await;
    guest.close(CloseCode::Restart).await;
    let closed = Instant::now();

    house.welcome().await;

    assert!(closed.elapsed() >= Duration::from_millis(800), "longer than the first wait of its own");
}

#[tokio::test]
async fn a_device_that_was_forbidden_stays_away() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    house.let_in().await.close(CloseCode::Forbidden).await;

    assert!(until_offline(&mut news).await.is(CloseCode::Forbidden));
    assert_eq!(soon(news.recv()).await, None);
    assert!(device.follow(SESSION).await.is_err());
}

#[tokio::test]
async fn a_token_that_ran_out_is_renewed_before_the_next_hello() {
    let house = House::open().await;
    let (_device, _news) = house.device(LONG_S);
    house.let_in().await.close(CloseCode::TokenExpired).await;

    let request = house.answer("200 OK", &renewed(LONG_S)).await;

    assert!(request.starts_with("POST /api/v1/auth/refresh ") && request.contains("\"again\""), "{request}");
    assert_eq!(house.welcome().await.hello.token, "second");
}

#[tokio::test]
async fn a_token_is_renewed_on_the_live_socket_in_time() {
    let house = House::open().await;
    let (_device, _news) = house.device(1);
    let mut guest = house.welcome().await;

    house.answer("200 OK", &renewed(LONG_S)).await;

    let ClientFrame::Token(token) = guest.hear().await else { panic!("no token") };
    assert_eq!(token.token, "second");
}

#[tokio::test]
async fn a_renewal_that_fails_for_a_moment_costs_no_connection() {
    let house = House::open().await;
    let (device, _news) = house.device(1);
    let mut guest = house.welcome().await;

    house.answer("503 Service Unavailable", r#"{"code":"unavailable"}"#).await;

    device.command(SESSION, Timestamp(0), Pause {}).await.unwrap();
    guest.hear_command().await;
}

#[tokio::test]
async fn a_renewal_that_is_refused_signs_the_device_out() {
    let house = House::open().await;
    let (_device, mut news) = house.device(1);
    let _guest = house.welcome().await;

    house.answer("401 Unauthorized", r#"{"code":"bad_refresh_token"}"#).await;

    assert_eq!(until_offline(&mut news).await, Closed::SignedOut);
    assert_eq!(soon(news.recv()).await, None);
}

#[tokio::test]
async fn an_owner_who_asks_before_reading_is_not_waited_for() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    let mut guest = house.welcome().await;
    let answering = tokio::spawn(async move {
        for n in 1..=1_000 {
            let req = guest.hear_command().await.req;
            guest.accept(req, n).await;
        }
    });

    for _ in 0..1_000 {
        soon(device.command(SESSION, Timestamp(0), Pause {})).await.unwrap();
    }

    assert_eq!(answers(&mut news, 1_000).await.len(), 1_000);
    answering.await.unwrap();
}

#[tokio::test]
async fn a_queue_that_is_full_takes_no_more() {
    let house = House::open().await;
    let (device, _news) = house.device(LONG_S);
    for _ in 0..10_000 {
        device.command(SESSION, Timestamp(0), Pause {}).await.unwrap();
    }

    let refused = device.command(SESSION, Timestamp(0), Pause {}).await;

    assert_eq!(refused, Err(spotter_client::NotTaken::Full));
}

#[tokio::test]
async fn an_entity_that_was_forgotten_never_gets_a_number_twice_from_one_client() {
    let house = House::open().await;
    let (device, mut news) = house.device(LONG_S);
    let mut guest = house.welcome().await;
    let mut numbers = std::collections::HashSet::new();
    // Twice around more entities than a device remembers.
    for id in (0..300).chain(0..300) {
        let session = Address::session(ME, SessionId(Uuid::from_u128(id)));
        device.command(session, Timestamp(0), Pause {}).await.unwrap();
        let sent = guest.hear_command().await;
        guest.accept(sent.req, 1).await;
        answers(&mut news, 1).await;
        assert!(numbers.insert((sent.to, sent.client, sent.n)), "{sent:?}");
    }
}

#[tokio::test]
async fn a_socket_pings_in_silence_and_gives_up_when_nothing_comes_back() {
    let mut house = House::open().await;
    house.heartbeat = Millis(100);
    let (mut socket, mut guest) = a_socket(&house).await;
    let begun = Instant::now();
    let waiting = tokio::spawn(async move { socket.next().await });

    assert!(matches!(guest.hear().await, ClientFrame::Ping(_)));
    assert!(begun.elapsed() < Duration::from_millis(200), "within a heartbeat or so");
    assert_eq!(soon(waiting).await.unwrap(), Err(Closed::Silent));
}

#[tokio::test]
async fn a_socket_passes_over_a_frame_of_a_newer_server() {
    let house = House::open().await;
    let (mut socket, mut guest) = a_socket(&house).await;
    guest.say_bytes(Codec::MsgPack.encode("horoscope", &[1])).await;
    guest.say(a_snapshot(1)).await;

    assert_eq!(soon(socket.next()).await, Ok(a_snapshot(1)));
}

#[tokio::test]
async fn a_refusal_over_http_keeps_its_code_and_the_id_to_ask_for() {
    let house = House::open().await;
    let api = Api::new(&house.base());
    let pass = house::a_pass("first", LONG_S);
    let problem = r#"{"status":404,"code":"not_found","detail":"no such workout","request_id":"r-1"}"#;

    let (request, answer) = tokio::join!(
        house.answer("404 Not Found", problem),
        api.workout(&pass, WorkoutId(Uuid::from_u128(3)), Some(2)),
    );

    let workout = "GET /api/v1/workouts/00000000-0000-0000-0000-000000000003?revision=2 HTTP/1.1";
    assert!(request.starts_with(workout) && request.contains("Bearer first"), "{request}");
    let Err(ApiError::Refused { status, code, detail, request_id }) = answer else { panic!("{answer:?}") };
    assert_eq!((status, code.as_str(), detail.as_str()), (404, "not_found", "no such workout"));
    assert_eq!(request_id, "r-1");
}

async fn a_socket(house: &House) -> (Socket, house::Guest) {
    let url = Api::new(&house.base()).socket();
    let client = ClientId(Uuid::from_u128(4));
    let (opened, guest) =
        tokio::join!(Socket::open(&url, "first", client, None, || Timestamp(0)), house.welcome());
    (opened.expect("a welcome").0, guest)
}

fn renewed(expires_in: u32) -> String {
    format!(
        r#"{{"access_token":"second","expires_in":{expires_in},"refresh_token":"again2","user":{{"id":"{ME}",
        "name":"Ana","email":"ana@iron.example","role":"athlete",
        "gym":{{"id":"{ME}","slug":"iron","name":"Iron"}}}}}}"#
    )
}

fn a_snapshot(v: u64) -> ServerFrame {
    let state = EntityView::Room(RoomView::default());
    ServerFrame::Snapshot(SnapshotFrame { to: SESSION, v: Version(v), view: View::Athlete, state })
}

fn events(versions: impl IntoIterator<Item = u64>) -> ServerFrame {
    let event = |v| PublishedEvent {
        v: Version(v),
        at: Timestamp(0),
        received_at: Timestamp(0),
        by: ME,
        ev: Shown::Hidden,
    };
    ServerFrame::Events(EventsFrame { to: SESSION, events: versions.into_iter().map(event).collect() })
}

type Outcome = (spotter_protocol::CommandId, Result<Version, ErrorCode>);

/// The next `count` answers.
async fn answers(news: &mut mpsc::Receiver<News>, count: usize) -> Vec<Outcome> {
    let mut answers = Vec::new();
    while answers.len() < count {
        if let News::Answered(answered) = soon(news.recv()).await.expect("the device ended") {
            answers.push((answered.command, answered.outcome.map_err(|fault| fault.code)));
        }
    }
    answers
}

/// Reads until the session's version is `v`.
async fn until_version(news: &mut mpsc::Receiver<News>, v: u64) {
    loop {
        let reached = match soon(news.recv()).await.expect("the device ended") {
            News::Snapshot(snapshot) => Some(snapshot.v),
            News::Events(events) => events.events.last().map(|event| event.v),
            News::Online(_)
            | News::Offline(_)
            | News::Tiles(_)
            | News::Answered(_)
            | News::NotFollowed(_) => None,
        };
        if reached == Some(Version(v)) {
            return;
        }
    }
}

/// Reads until the connection is no more, and answers why.
async fn until_offline(news: &mut mpsc::Receiver<News>) -> Closed {
    loop {
        if let News::Offline(closed) = soon(news.recv()).await.expect("the device ended") {
            return closed;
        }
    }
}
