//! One socket: hello, then commands, subscriptions and pings.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::ws::{Message, WebSocket};
use futures_util::SinkExt;
use spotter_protocol::{
    ClientFrame, Codec, Command, CommandFrame, ErrorCode, ExerciseAdded, FRAME_BYTES_MAX, Finished, GymId,
    Limits, Millis, Pong, Reply, Role, ServerFrame, SessionCommand, SessionEvent, SetCompleted, Started,
    Timestamp, Title, UserId, Welcome,
};
use tokio::sync::watch;
use uuid::Uuid;

use crate::commit::Logged;
use crate::gym::Gym;
use crate::outbox::Outbox;

/// Who is at the other end.
struct Caller {
    user: UserId,
    /// Server clock minus device clock, in microseconds.
    offset: i64,
}

/// The socket cannot go on.
struct Over;

/// Serves a socket until it closes or the server stops; then what waits is still sent.
pub(crate) async fn serve(mut socket: WebSocket, gym: Arc<Gym>, mut stop: watch::Receiver<()>) {
    let outbox = Arc::new(Outbox::default());
    let mut caller = None;
    loop {
        tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if hear(&bytes, &gym, &mut caller, &outbox).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => return,
            },
            () = outbox.filled() => {
                if send(&mut socket, &outbox).await.is_err() {
                    return;
                }
            }
            _ = stop.changed() => {
                if send(&mut socket, &outbox).await.is_ok() {
                    // The peer may have gone first.
                    _ = socket.send(Message::Close(None)).await;
                }
                return;
            }
        }
    }
}

async fn send(socket: &mut WebSocket, outbox: &Outbox) -> Result<(), Over> {
    for frame in outbox.take().map_err(|_| Over)? {
        socket.feed(Message::Binary(frame)).await.map_err(|_| Over)?;
    }
    socket.flush().await.map_err(|_| Over)
}

async fn hear(
    bytes: &[u8],
    gym: &Gym,
    caller: &mut Option<Caller>,
    outbox: &Arc<Outbox>,
) -> Result<(), Over> {
    let frame = ClientFrame::decode(Codec::MsgPack, bytes).map_err(|_| Over)?;
    let received_at = now();
    let Some(caller) = caller else {
        let ClientFrame::Hello(hello) = frame else { return Err(Over) };
        let user = UserId(hello.token.parse().map_err(|_| Over)?);
        *caller = Some(Caller { user, offset: received_at.micros_since(hello.clock) });
        answer(outbox, &ServerFrame::Welcome(welcome(user, gym.incarnation, received_at)));
        return Ok(());
    };
    match frame {
        ClientFrame::Command(command) => take(command, caller, received_at, gym, outbox).await,
        ClientFrame::Subscribe(subscribe) => {
            let version = gym.session(subscribe.to).follow(outbox);
            answer(outbox, &ServerFrame::Reply(Reply::ok(subscribe.req, version)));
        }
        ClientFrame::Ping(_) => answer(outbox, &ServerFrame::Pong(Pong { clock: received_at })),
        ClientFrame::Hello(_)
        | ClientFrame::Unsubscribe(_)
        | ClientFrame::Signal(_)
        | ClientFrame::Ack(_)
        | ClientFrame::Token(_) => return Err(Over),
    }
    Ok(())
}

/// Hands a command on to be written; it is answered when it is durable.
async fn take(frame: CommandFrame, caller: &Caller, received_at: Timestamp, gym: &Gym, outbox: &Arc<Outbox>) {
    let Some(event) = event(frame.command) else {
        let refused = Reply::refused(Some(frame.req), ErrorCode::Unsupported);
        return answer(outbox, &ServerFrame::Reply(refused));
    };
    let at = Timestamp::placed(frame.at, caller.offset, received_at);
    let make = |session, version| Logged {
        session,
        version,
        author: caller.user,
        command: frame.id,
        at,
        received_at,
        event,
        req: frame.req,
        reply_to: Arc::clone(outbox),
    };
    gym.log(gym.session(frame.to), make).await;
}

/// What a command of the load becomes; nothing is judged.
#[expect(clippy::wildcard_enum_match_arm, reason = "the load sends four commands; a floor knows no others")]
fn event(command: Command) -> Option<SessionEvent> {
    match SessionCommand::try_from(command).ok()? {
        SessionCommand::Start(start) => Some(SessionEvent::Started(Started {
            workout: start.workout,
            title: start.title.unwrap_or_else(|| Title::clipped("")),
            exercises: Vec::new(),
            bests: Vec::new(),
        })),
        SessionCommand::Add(add) => Some(SessionEvent::ExerciseAdded(ExerciseAdded {
            exercise: add.exercise,
            place: add.place,
            prescribed: false,
            bests: None,
        })),
        SessionCommand::Complete(complete) => {
            Some(SessionEvent::SetCompleted(SetCompleted { set: complete.set, actual: complete.actual }))
        }
        SessionCommand::Finish(_) => Some(SessionEvent::Finished(Finished {})),
        _ => None,
    }
}

fn welcome(user: UserId, incarnation: Uuid, clock: Timestamp) -> Welcome {
    Welcome {
        user,
        gym: GymId(Uuid::nil()),
        role: Role::Athlete,
        incarnation,
        clock,
        limits: Limits {
            frame_bytes: u32::try_from(FRAME_BYTES_MAX).unwrap_or(u32::MAX),
            commands_per_s: u32::MAX,
            commands_burst: u32::MAX,
            in_flight: u32::MAX,
            subscriptions: u32::MAX,
            heartbeat_ms: Millis(25_000),
        },
        sessions: Vec::new(),
    }
}

fn answer(outbox: &Outbox, frame: &ServerFrame) {
    outbox.push(frame.encode(Codec::MsgPack).into());
}

#[expect(clippy::disallowed_methods, reason = "the edge of a server has a clock")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
