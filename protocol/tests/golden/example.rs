//! The values behind the golden files. Every id and time is fixed, and no two ids are alike.

use spotter_protocol::{
    Abandon, Abandoned, Ack, Acknowledged, ActOnCue, Actual, Add, Address, Adherence, Amend, Answer,
    AthleteHidden, AthletePinned, AthleteShown, AthleteUnpinned, Attention, Badge, BadgeDismissed, Bests,
    ClientFrame, ClientId, Command, CommandFrame, CommandId, Complete, ConversationView, Cue, CueActed,
    CueDelivered, CueGlance, CueGroupId, CueId, CueSeen, CueState, CueView, Cued, DeliverCue, Delivered,
    Dismiss, DropSets, Effort, EffortScale, EntityView, ErrorCode, Event, EventsFrame, ExerciseAdded,
    ExerciseSwapped, ExerciseView, Fail, Fault, Feeling, Finish, Finished, Glance, GoAway, Grams, Group,
    GymId, Hello, Hide, InboxCommand, InboxEvent, InboxView, InstanceId, LastSet, Limits, LiveSession, Load,
    LoadKind, Message, MessageId, MessageReceived, MessageSent, MessageView, MessagesDelivered, MessagesRead,
    Metres, Millis, Movement, Note, NoteView, Noted, Notice, NotificationView, NotificationsRead, Notified,
    Notify, Pain, PainGlance, PainLevel, PainNoted, PainView, Patch, Pause, Paused, Phase, Pin, Ping, Place,
    PlanPatched, PlannedExercise, PlannedSet, Pong, Pr, PrKind, PrWithdrawn, Presence, PublishedEvent, Read,
    ReadNotifications, Readiness, ReadinessNoted, ReadinessView, Rebased, Receipt, ReceiptKind,
    ReceiptReceived, Receive, Reopen, Reopened, Reorder, Reordered, RepRange, Reply, Reps, Rest, RestGlance,
    RestView, Rested, Resume, Resumed, Revoked, Role, RoomCommand, RoomEvent, RoomView, Seconds, SeeCue,
    ServerFrame, SessionEvent, SessionId, SessionView, SetAdded, SetAmended, SetCompleted, SetFailed, SetId,
    SetSkipped, SetStatus, SetType, SetView, SetVoided, SetsAdded, SetsDropped, Show, Shown, Side, Signal,
    SignalFrame, SignalKey, Skip, Slot, SnapshotFrame, Start, Started, Subscribe, Swap, Target, Text, Tile,
    TilesFrame, Timestamp, Token, Unit, Unpin, Unsubscribe, UserId, Version, View, Void, Welcome, WorkoutId,
    WorkoutRef, shows,
};
use uuid::Uuid;

const fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0199_c82c_c000_7000_8000_0000_0000_0000 | n << 32 | n)
}

pub(crate) const ATHLETE: UserId = UserId(id(0xa1));
pub(crate) const COACH: UserId = UserId(id(0xc0));
const OTHER: UserId = UserId(id(0xa2));
const GYM: GymId = GymId(id(0x90));
const PHONE: ClientId = ClientId(id(0xf0));
const SESSION: SessionId = SessionId(id(0x5e));
const INCARNATION: Uuid = id(0x1c);
const ACTIVATION: Uuid = id(0xac);
const EXTRA_INSTANCE: InstanceId = InstanceId(id(0xe1));
const MESSAGE: MessageId = MessageId(id(0x3e));
const CUE: CueId = CueId(id(0xce));
const CUE_GROUP: CueGroupId = CueGroupId(id(0xc6));
const EXTRA_SET: SetId = SetId(id(0x51));
/// 2025-10-09T08:53:20Z, and a microsecond that a millisecond clock would lose.
pub(crate) const T0: Timestamp = Timestamp(1_760_000_000_000_001);

fn at(seconds: i64) -> Timestamp {
    T0.shifted(seconds * 1_000_000)
}

fn text<const MAX: usize>(words: &str) -> Text<MAX> {
    words.parse().expect("within its bound")
}

fn kg(thousandths: u32) -> Load {
    Load::new(thousandths, Unit::Kg).expect("a load a person can lift")
}

fn reps(n: u32) -> Reps {
    Reps::new(n).expect("a number a person can do")
}

fn rpe(tenths: u8) -> Effort {
    Effort::new(EffortScale::Rpe, tenths).expect("a half step")
}

fn workout() -> WorkoutRef {
    WorkoutRef { id: WorkoutId(id(0x30)), revision: 3 }
}

fn squat_1() -> SetId {
    SetId::planned(SESSION, 0, 0)
}

fn squat_2() -> SetId {
    SetId::planned(SESSION, 0, 1)
}

fn four_at_140() -> Actual {
    Actual { load: Some(kg(140_000)), reps: Some(reps(4)), effort: Some(rpe(95)), ..Actual::default() }
}

/// As typed on a phone set to pounds, with two repetitions left.
fn one_sided_in_pounds() -> Actual {
    Actual {
        load: Some(Load::new(225_000, Unit::Lb).expect("a load a person can lift")),
        reps: Some(reps(8)),
        effort: Some(Effort::new(EffortScale::Rir, 20).expect("a half step")),
        side: Some(Side::Left),
        ..Actual::default()
    }
}

fn carried_40_metres() -> Actual {
    let seconds = Some(Seconds::new(31).expect("under a day"));
    let metres = Some(Metres::new(40).expect("under 100 km"));
    Actual { seconds, metres, ..Actual::default() }
}

fn five_at_140() -> Target {
    Target {
        set_type: SetType::Working,
        reps: Some(RepRange { min: reps(5), max: Some(reps(5)) }),
        load: Some(kg(140_000)),
        effort: Some(rpe(80)),
        rest: Some(Millis(180_000)),
        ..Target::default()
    }
}

fn as_many_as_possible() -> Target {
    let reps = Some(RepRange { min: reps(8), max: None });
    Target { set_type: SetType::Amrap, reps, load: Some(kg(100_000)), ..Target::default() }
}

fn farmers_walk() -> Place {
    Place {
        instance: EXTRA_INSTANCE,
        exercise: "farmers-walk".parse().expect("a slug"),
        name: text("Farmer’s walk"),
        load_kind: LoadKind::PerHand,
        set_type: SetType::Backoff,
    }
}

fn squat_bests() -> Bests {
    Bests {
        exercise: "barbell-back-squat".parse().expect("a slug"),
        heaviest: Some(Grams(150_000)),
        e1rm: Some(Grams(165_000)),
        rep_max: vec![Grams(150_000), Grams(140_000), Grams(140_000)],
    }
}

fn planned_squat() -> PlannedExercise {
    PlannedExercise {
        instance: InstanceId::planned(SESSION, 0),
        exercise: "barbell-back-squat".parse().expect("a slug"),
        name: text("Barbell Back Squat"),
        load_kind: LoadKind::External,
        group: None,
        sets: vec![
            PlannedSet { set: squat_1(), target: five_at_140() },
            PlannedSet { set: squat_2(), target: as_many_as_possible() },
        ],
    }
}

/// Every frame that a client sends, by the name of its file.
pub(crate) fn client_frames() -> Vec<(String, ClientFrame)> {
    let session = Address::session(ATHLETE, SESSION);
    let hello =
        Hello { token: "a.token".to_owned(), client: PHONE, clock: T0, features: vec![], incarnation: None };
    let resuming =
        Hello { features: vec!["later".to_owned()], incarnation: Some(INCARNATION), ..hello.clone() };
    let seen = vec![(session, Version(7)), (Address::room(COACH), Version(0))];
    let mut frames = vec![
        ("hello", ClientFrame::Hello(hello)),
        ("hello_resuming", ClientFrame::Hello(resuming)),
        ("subscribe", ClientFrame::Subscribe(Subscribe { req: 1, to: session, since: None, view: None })),
        (
            "subscribe_resuming",
            ClientFrame::Subscribe(Subscribe {
                req: 70_000,
                to: Address::room(COACH),
                since: Some(Version(0)),
                view: Some(View::Coach),
            }),
        ),
        ("unsubscribe", ClientFrame::Unsubscribe(Unsubscribe { req: 2, to: session })),
        ("signal", ClientFrame::Signal(Signal { to: session, key: SignalKey::HeartRate, value: -1 })),
        ("ack", ClientFrame::Ack(Ack { seen })),
        ("token", ClientFrame::Token(Token { req: 3, token: "another.token".to_owned() })),
        ("ping", ClientFrame::Ping(Ping { clock: at(20) })),
    ]
    .into_iter()
    .map(|(name, frame)| (name.to_owned(), frame))
    .collect::<Vec<_>>();
    frames.extend(commands().into_iter().zip(1..).map(|((name, command), n)| {
        let to = match command {
            Command::Session(_) => session,
            Command::Inbox(_) => Address::inbox(ATHLETE),
            Command::Room(_) => Address::room(COACH),
        };
        let id = CommandId(id(0xd000 + u128::from(n)));
        let frame = CommandFrame { req: n, id, client: PHONE, n, after: n - 1, at: T0, to, command };
        (format!("command_{name}"), ClientFrame::Command(frame))
    }));
    frames
}

/// Every command, by its name and what is special about it.
fn commands() -> Vec<(&'static str, Command)> {
    let reason = || Some(text("knee"));
    vec![
        ("start", Start { workout: Some(workout()), title: None }.into()),
        ("start_ad_hoc", Start { workout: None, title: Some(text("Open gym")) }.into()),
        ("complete", Complete { set: squat_1(), actual: four_at_140(), place: None }.into()),
        (
            "complete_placed",
            Complete { set: EXTRA_SET, actual: carried_40_metres(), place: Some(farmers_walk()) }.into(),
        ),
        ("skip", Skip { set: squat_2(), reason: reason() }.into()),
        ("fail", Fail { set: squat_2(), actual: one_sided_in_pounds(), place: None }.into()),
        ("amend", Amend { set: squat_1(), actual: one_sided_in_pounds(), reason: reason() }.into()),
        ("void", Void { set: squat_1(), reason: None }.into()),
        ("note", Note { set: Some(squat_1()), text: text("tight hips\nslower next time") }.into()),
        ("rest", Rest { after: Some(squat_1()), start: at(60), duration_ms: Millis(180_000) }.into()),
        ("pause", Pause {}.into()),
        ("resume", Resume {}.into()),
        ("finish", Finish {}.into()),
        ("reopen", Reopen {}.into()),
        ("hide", RoomCommand::from(Hide { athlete: OTHER }).into()),
        ("show", RoomCommand::from(Show { athlete: OTHER }).into()),
        ("add", Add { exercise: added_row(), place: Some(1) }.into()),
        ("drop", DropSets { sets: vec![squat_2()], instance: None }.into()),
        ("drop_exercise", DropSets { sets: vec![], instance: Some(EXTRA_INSTANCE) }.into()),
        ("swap", Swap { instance: InstanceId::planned(SESSION, 0), with: front_squat() }.into()),
        ("reorder", Reorder { order: order() }.into()),
        ("readiness", Readiness { feeling: feeling() }.into()),
        (
            "pain",
            Pain { level: pain_level(), site: text("left knee"), set: Some(squat_1()), text: None }.into(),
        ),
        (
            "cue",
            Cue {
                cue: CUE,
                text: text("chest up"),
                group: Some(CUE_GROUP),
                set: None,
                expires_ms: Some(Millis(60_000)),
            }
            .into(),
        ),
        ("cue_seen", SeeCue { cue: CUE }.into()),
        ("cue_acted", ActOnCue { cue: CUE }.into()),
        ("cue_delivered", DeliverCue { cue: CUE }.into()),
        ("patch", Patch { based_on: Version(4), exercises: vec![added_row()] }.into()),
        ("abandon", Abandon {}.into()),
        (
            "message",
            InboxCommand::from(Message { to: COACH, id: MESSAGE, text: text("on my way"), about: None })
                .into(),
        ),
        ("read", InboxCommand::from(Read { with: COACH, through: Version(7) }).into()),
        ("read_notifications", InboxCommand::from(ReadNotifications { through: Version(9) }).into()),
        ("delivered", InboxCommand::from(Delivered { through: Version(8) }).into()),
        ("receive", InboxCommand::from(receive()).into()),
        (
            "receipt",
            InboxCommand::from(Receipt { with: COACH, kind: ReceiptKind::Read, through: Version(3) }).into(),
        ),
        ("notify", InboxCommand::from(Notify { notice: Notice::linked(COACH) }).into()),
        ("notify_unlinked", InboxCommand::from(Notify { notice: Notice::unlinked(COACH) }).into()),
        ("notify_abandoned", InboxCommand::from(Notify { notice: Notice::abandoned(SESSION) }).into()),
        ("pin", RoomCommand::from(Pin { athlete: ATHLETE }).into()),
        ("unpin", RoomCommand::from(Unpin { athlete: ATHLETE }).into()),
        (
            "dismiss",
            RoomCommand::from(Dismiss {
                athlete: ATHLETE,
                session: SESSION,
                badge: Badge::Failed,
                v: Version(12),
            })
            .into(),
        ),
    ]
}

/// Every event of a session.
pub(crate) fn session_events() -> Vec<SessionEvent> {
    let reason = || Some(text("wrong plate"));
    let walk = farmers_walk();
    let added = PlannedExercise {
        instance: walk.instance,
        exercise: walk.exercise,
        name: walk.name,
        load_kind: walk.load_kind,
        group: None,
        sets: vec![],
    };
    let exercise = squat_bests().exercise;
    vec![
        Started {
            workout: Some(workout()),
            title: text("Lower A"),
            exercises: vec![planned_squat()],
            bests: vec![squat_bests()],
        }
        .into(),
        ExerciseAdded { exercise: added, place: None, prescribed: false, bests: None }.into(),
        SetAdded { set: EXTRA_SET, instance: EXTRA_INSTANCE, set_type: SetType::Backoff }.into(),
        SetCompleted { set: squat_1(), actual: four_at_140() }.into(),
        SetFailed { set: squat_2(), actual: one_sided_in_pounds() }.into(),
        SetSkipped { set: squat_2(), reason: reason() }.into(),
        SetAmended { set: squat_1(), actual: one_sided_in_pounds(), reason: reason() }.into(),
        SetVoided { set: squat_1(), reason: None }.into(),
        Noted { set: None, text: text("slept badly") }.into(),
        Rested { after: Some(squat_1()), start: at(60), duration_ms: Millis(180_000), effective: true }
            .into(),
        Paused { effective: true }.into(),
        Resumed { effective: false }.into(),
        Finished {}.into(),
        Reopened {}.into(),
        Pr {
            set: squat_1(),
            exercise,
            record: PrKind::Heaviest,
            g: Grams(155_000),
            previous_g: Grams(150_000),
        }
        .into(),
        PrWithdrawn { set: squat_1(), record: PrKind::E1rm }.into(),
        SetsAdded { instance: EXTRA_INSTANCE, sets: added_row().sets, prescribed: true }.into(),
        SetsDropped { sets: vec![squat_2()], instance: None, withdrawn: false }.into(),
        ExerciseSwapped {
            instance: InstanceId::planned(SESSION, 0),
            exercise: PlannedExercise { exercise: front_squat().exercise, ..added_row() },
            bests: None,
        }
        .into(),
        Reordered { order: order() }.into(),
        ReadinessNoted { feeling: feeling(), score_tenths: feeling().score_tenths() }.into(),
        PainNoted { level: pain_level(), site: text("left knee"), set: Some(squat_1()), text: reason() }
            .into(),
        Cued {
            cue: CUE,
            text: text("chest up"),
            group: Some(CUE_GROUP),
            set: None,
            expires_at: Some(at(120)),
        }
        .into(),
        CueDelivered { cue: CUE }.into(),
        CueSeen { cue: CUE }.into(),
        CueActed { cue: CUE }.into(),
        PlanPatched { exercises: vec![added_row()], withdrawn: vec![squat_2()], bests: vec![squat_bests()] }
            .into(),
        Abandoned {}.into(),
        SessionEvent::SessionRebased(Rebased { form: 2, entity: vec![0x80] }),
    ]
}

fn added_row() -> PlannedExercise {
    PlannedExercise {
        instance: EXTRA_INSTANCE,
        exercise: "bent-over-row".parse().expect("a slug"),
        name: text("Bent-over Row"),
        load_kind: LoadKind::External,
        group: Some(Group::try_from(2).expect("a letter")),
        sets: vec![PlannedSet { set: EXTRA_SET, target: as_many_as_possible() }],
    }
}

fn front_squat() -> Movement {
    Movement {
        instance: EXTRA_INSTANCE,
        exercise: "front-squat".parse().expect("a slug"),
        name: text("Front Squat"),
        load_kind: LoadKind::External,
    }
}

fn order() -> Vec<Slot> {
    let group = Group::try_from(1).ok();
    vec![
        Slot { instance: EXTRA_INSTANCE, group },
        Slot { instance: InstanceId::planned(SESSION, 0), group: None },
    ]
}

fn feeling() -> Feeling {
    let answer = |number: u8| Answer::try_from(number).expect("1 to 5");
    Feeling { sleep: answer(4), energy: answer(3), mood: answer(5), soreness: answer(2), stress: answer(1) }
}

fn pain_level() -> PainLevel {
    PainLevel::new(6).expect("up to ten")
}

fn cue_view() -> CueView {
    CueView {
        cue: CUE,
        text: text("chest up"),
        group: Some(CUE_GROUP),
        set: Some(squat_1()),
        expires_at: Some(at(120)),
        by: COACH,
        at: at(60),
        delivered_at: Some(at(61)),
        seen_at: Some(at(62)),
        acted_at: Some(at(90)),
    }
}

fn pain_view() -> PainView {
    PainView {
        level: pain_level(),
        site: text("left knee"),
        set: Some(squat_1()),
        text: Some(text("since the second set")),
        by: ATHLETE,
        at: at(70),
    }
}

fn receive() -> Receive {
    Receive {
        from: COACH,
        id: MESSAGE,
        text: text("good sets today"),
        about: Some(Address::session(ATHLETE, SESSION)),
        sent_at: T0,
        sent_v: Version(3),
    }
}

/// Every event of an inbox.
pub(crate) fn inbox_events() -> Vec<InboxEvent> {
    let Receive { from, id, text: said, about, sent_at, sent_v } = receive();
    vec![
        MessageSent { to: COACH, id, text: said.clone(), about }.into(),
        MessageReceived { from, id, text: said, about, sent_at, sent_v }.into(),
        MessagesDelivered { through: Version(8), receipts: vec![Acknowledged { from, sent_v }] }.into(),
        MessagesRead { with: from, through: Version(8), sent_v }.into(),
        ReceiptReceived { with: from, kind: ReceiptKind::Delivered, through: Version(2) }.into(),
        Notified { notice: Notice::abandoned(SESSION) }.into(),
        NotificationsRead { through: Version(9) }.into(),
        InboxEvent::InboxRebased(Rebased { form: 1, entity: vec![0x80] }),
    ]
}

fn inbox_view() -> InboxView {
    let Receive { id, text: said, about, .. } = receive();
    let mine =
        MessageView { v: Version(3), id: MESSAGE, mine: true, text: text("on my way"), about: None, at: T0 };
    let theirs = MessageView { v: Version(5), id, mine: false, text: said, about, at: at(30) };
    InboxView {
        conversations: vec![ConversationView {
            with: COACH,
            messages: vec![mine, theirs],
            unread: 1,
            read: Version(0),
            delivered_there: Version(3),
            read_there: Version(2),
        }],
        notifications: vec![NotificationView { v: Version(4), notice: Notice::unlinked(OTHER), at: at(20) }],
        notifications_read: Version(0),
    }
}

/// Every event of a room.
pub(crate) fn room_events() -> Vec<RoomEvent> {
    vec![
        AthleteHidden { athlete: OTHER }.into(),
        AthleteShown { athlete: OTHER }.into(),
        AthletePinned { athlete: ATHLETE }.into(),
        AthleteUnpinned { athlete: ATHLETE }.into(),
        dismissed().into(),
        RoomEvent::RoomRebased(Rebased { form: 2, entity: vec![0x80] }),
    ]
}

fn dismissed() -> BadgeDismissed {
    BadgeDismissed { athlete: ATHLETE, session: SESSION, badge: Badge::Failed, v: Version(12) }
}

/// Every frame that a server sends, by the name of its file.
pub(crate) fn server_frames() -> Vec<(String, ServerFrame)> {
    let session = Address::session(ATHLETE, SESSION);
    let room = Address::room(COACH);
    let fault = Fault { highest: Some(4), head: Some(Version(9)), ..Fault::new(ErrorCode::OutOfOrder) };
    let snapshot = |to, v, state| ServerFrame::Snapshot(SnapshotFrame { to, v, view: View::Coach, state });
    let mut frames = vec![
        ("welcome", ServerFrame::Welcome(welcome())),
        ("reply", ServerFrame::Reply(Reply::ok(1, Version(12)))),
        ("reply_repeat", ServerFrame::Reply(Reply { repeat: true, ..Reply::ok(2, Version(12)) })),
        (
            "reply_busy",
            ServerFrame::Reply(Reply::refused(Some(3), Fault::retry(ErrorCode::Busy, Millis(250)))),
        ),
        ("reply_out_of_order", ServerFrame::Reply(Reply::refused(Some(4), fault))),
        ("reply_unreadable", ServerFrame::Reply(Reply::refused(None, ErrorCode::BadFrame))),
        ("snapshot_session", snapshot(session, Version(12), EntityView::Session(session_view()))),
        ("snapshot_inbox", snapshot(Address::inbox(ATHLETE), Version(5), EntityView::Inbox(inbox_view()))),
        ("snapshot_room", snapshot(room, Version(2), EntityView::Room(room_view()))),
        (
            "events_hidden",
            ServerFrame::Events(EventsFrame { to: session, events: vec![published(13, Shown::Hidden)] }),
        ),
        ("tiles_full", ServerFrame::Tiles(tiles())),
        (
            "tiles",
            ServerFrame::Tiles(TilesFrame {
                tick: 43,
                full: false,
                tiles: vec![away_tile()],
                gone: vec![ATHLETE],
                ..tiles()
            }),
        ),
        (
            "signal",
            ServerFrame::Signal(SignalFrame {
                to: session,
                key: SignalKey::Velocity,
                value: 480,
                by: ATHLETE,
                at: at(22),
            }),
        ),
        ("revoked", ServerFrame::Revoked(Revoked { to: session })),
        (
            "go_away",
            ServerFrame::GoAway(GoAway { delay_ms: Millis(1_500), reason: "server restarts".to_owned() }),
        ),
        ("pong", ServerFrame::Pong(Pong { clock: at(21) })),
    ]
    .into_iter()
    .map(|(name, frame)| (name.to_owned(), frame))
    .collect::<Vec<_>>();
    let events = |events: Vec<Event>| {
        let some_see = |event: &Event| View::ALL.iter().any(|view| shows(*view, event));
        let shown = events.into_iter().filter(some_see).zip(1..);
        let shown = shown.map(|(event, v)| published(v, Shown::Event(event)));
        shown.collect::<Vec<_>>()
    };
    let of_session = events(session_events().into_iter().map(Event::Session).collect());
    let of_inbox = events(inbox_events().into_iter().map(Event::Inbox).collect());
    let of_room = events(room_events().into_iter().map(Event::Room).collect());
    frames.push((
        "events_session".to_owned(),
        ServerFrame::Events(EventsFrame { to: session, events: of_session }),
    ));
    let inbox = Address::inbox(ATHLETE);
    frames
        .push(("events_inbox".to_owned(), ServerFrame::Events(EventsFrame { to: inbox, events: of_inbox })));
    frames.push(("events_room".to_owned(), ServerFrame::Events(EventsFrame { to: room, events: of_room })));
    frames
}

fn published(v: u64, ev: Shown) -> PublishedEvent {
    let done = at(i64::try_from(v).expect("a small number") * 10);
    PublishedEvent { v: Version(v), at: done, received_at: done.shifted(250_000), by: ATHLETE, ev }
}

fn welcome() -> Welcome {
    Welcome {
        user: COACH,
        gym: GYM,
        role: Role::Coach,
        incarnation: INCARNATION,
        clock: at(1),
        limits: Limits {
            frame_bytes: 65_536,
            commands_per_s: 50,
            commands_burst: 200,
            in_flight: 64,
            subscriptions: 256,
            heartbeat_ms: Millis(25_000),
        },
        sessions: vec![LiveSession { session: SESSION, v: Version(12) }],
    }
}

fn session_view() -> SessionView {
    let plan = planned_squat();
    SessionView {
        phase: Phase::Paused,
        title: text("Lower A"),
        workout: Some(workout()),
        started_at: T0,
        finished_at: Some(at(3_600)),
        rest: Some(RestView { after: Some(squat_1()), start: at(60), duration_ms: Millis(180_000) }),
        exercises: vec![ExerciseView {
            instance: plan.instance,
            exercise: plan.exercise,
            name: plan.name,
            load_kind: plan.load_kind,
            group: Group::try_from(1).ok(),
            bests: Some(squat_bests()),
            sets: vec![
                SetView {
                    set: squat_1(),
                    set_type: SetType::Working,
                    target: Some(five_at_140()),
                    own: false,
                    status: SetStatus::Performed,
                    actual: Some(four_at_140()),
                    at: Some(at(50)),
                    received_at: Some(at(51)),
                    by: Some(ATHLETE),
                    e1rm_g: Some(Grams(158_667)),
                    prs: vec![PrKind::Heaviest, PrKind::RepMax, PrKind::E1rm],
                    amended: true,
                    reason: Some(text("wrong plate")),
                },
                SetView {
                    set: squat_2(),
                    set_type: SetType::Amrap,
                    target: Some(as_many_as_possible()),
                    own: true,
                    status: SetStatus::Planned,
                    actual: None,
                    at: None,
                    received_at: None,
                    by: None,
                    e1rm_g: None,
                    prs: vec![],
                    amended: false,
                    reason: None,
                },
            ],
        }],
        notes: vec![NoteView { set: None, text: text("slept badly"), by: ATHLETE, at: at(5) }],
        done: 1,
        total: 2,
        volume_g: 560_000,
        readiness: Some(ReadinessView {
            feeling: feeling(),
            score_tenths: feeling().score_tenths(),
            at: at(-300),
        }),
        pains: vec![pain_view()],
        cues: vec![cue_view()],
        adherence: Adherence { performed: 1, prescribed: 2 },
        missed_targets: 1,
        plan_v: Version(3),
    }
}

fn room_view() -> RoomView {
    RoomView { hidden: vec![OTHER], pinned: vec![ATHLETE], dismissed: vec![dismissed()] }
}

fn tiles() -> TilesFrame {
    let glance = Glance {
        session: SESSION,
        v: Version(12),
        title: text("Lower A"),
        phase: Phase::Live,
        started_at: T0,
        active_at: at(50),
        done: 1,
        total: 2,
        last: Some(LastSet {
            exercise: text("Barbell Back Squat"),
            k: 1,
            n: 2,
            set_type: SetType::Working,
            load_kind: LoadKind::External,
            status: SetStatus::Failed,
            target: Some(five_at_140()),
            actual: four_at_140(),
            at: at(50),
            v: Version(11),
        }),
        rest: Some(RestGlance { start: at(60), duration_ms: Millis(180_000) }),
        pain: Some(PainGlance { level: pain_level(), site: text("left knee"), at: at(70), v: Version(12) }),
        cue: Some(CueGlance {
            cue: CUE,
            group: Some(CUE_GROUP),
            state: CueState::Seen,
            at: at(60),
            expires_at: Some(at(120)),
        }),
        badges: vec![
            Badge::Pain,
            Badge::Failed,
            Badge::Overshoot,
            Badge::MissedReps,
            Badge::Pr,
            Badge::OffPlan,
            Badge::Late,
            Badge::Stalled,
        ],
    };
    let failed = Tile {
        athlete: ATHLETE,
        presence: Some(Presence { here: false, since: at(70) }),
        pinned: true,
        stale: true,
        attention: Attention::Failed,
        since: at(50),
        glance: Some(glance),
    };
    TilesFrame {
        to: Address::room(COACH),
        activation: ACTIVATION,
        tick: 42,
        full: true,
        tiles: vec![failed, away_tile()],
        gone: vec![],
    }
}

fn away_tile() -> Tile {
    Tile {
        athlete: OTHER,
        presence: None,
        pinned: false,
        stale: false,
        attention: Attention::Away,
        since: at(-7_200),
        glance: None,
    }
}
