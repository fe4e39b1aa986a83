//! The permission table asked of a running server, command by command and view by view, and rights that end
//! while somebody looks.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that is surprised should end"
)]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/server.rs"]
mod server;
#[path = "support/store.rs"]
mod store;
#[path = "support/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use postgres::Postgres;
use server::{Person, Server};
use spotter::db::{self, Db};
use spotter::store::{Database, Store};
use spotter_protocol::{
    Address, ClientFrame, ClientId, Codec, Command, CommandFrame, CommandKind, EntityKind, ErrorCode, Fault,
    InboxCommand, LinkPermission, Note, NoteText, Ping, Reply, Role, ServerFrame, SessionCommand, SessionId,
    Shown, Start, Subscribe, Title, UserId, View, rule, view_for,
};
use store::on_both;
use tempfile::TempDir;
use tokio::time::timeout;
use uuid::Uuid;
use wire::{Closed, Wire, command};

/// A change of rights is in force within a second; a machine that does much else gets another.
const IN_FORCE: Duration = Duration::from_secs(2);
/// A server that does not answer for so long hangs.
const ANSWER: Duration = Duration::from_secs(10);

on_both! {
    #[tokio::test]
    super::Place::a_file(), super::Place::a_server().await =>
    every_command_and_every_view_is_answered_exactly_as_the_tables_say
    who_may_see_less_is_shown_less_from_the_state_on
    another_role_or_password_closes_what_the_old_token_opened_and_opens_nothing_more
    a_wall_shows_an_athlete_no_more_within_a_second
}

#[cfg(target_os = "linux")]
mod on_linux {
    use super::{Place, a_link_that_ends_takes_back_all_that_a_stalled_reader_was_not_handed, on_both};
    on_both! {
        #[tokio::test]
        super::Place::a_file(), super::Place::a_server().await =>
        a_link_that_ends_takes_back_all_that_a_stalled_reader_was_not_handed
    }
}

/// Where a server keeps its data.
struct Place {
    folder: TempDir,
    database: Database,
    settings: Vec<(&'static str, String)>,
}

impl Place {
    fn a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = store::file(folder.path());
        Self { folder, database, settings: Vec::new() }
    }

    async fn a_server() -> Self {
        let url = Postgres::shared().new_database().await;
        let database = store::server(&url);
        let settings = vec![("SPOTTER_DATABASE", url), ("SPOTTER_POSTGRES__MIGRATE", "true".to_owned())];
        Self { folder: tempfile::tempdir().unwrap(), database, settings }
    }

    /// A server that is not started yet, with further settings.
    fn prepare(&self, further: &[(&str, &str)]) -> Server {
        let settings = self.settings.iter().map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<_> = settings.chain(further.iter().copied()).collect();
        Server::prepare(self.folder.path(), &settings)
    }
}

/// How a caller stands to the owner of what they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tie {
    Own,
    NotLinked,
    Invited,
    Ended,
    Linked(Option<LinkPermission>),
    /// The owner coaches the caller, with every permission.
    Coached,
    /// Linked with every permission by a row that should not be.
    OtherGym,
    Absent,
}

impl Tie {
    fn all() -> Vec<Self> {
        let mut all = vec![
            Self::Own,
            Self::NotLinked,
            Self::Invited,
            Self::Ended,
            Self::Linked(None),
            Self::Coached,
            Self::OtherGym,
            Self::Absent,
        ];
        all.extend(LinkPermission::ALL.map(|permission| Self::Linked(Some(permission))));
        all
    }

    /// The owner's e-mail, where the owner is somebody else who is there.
    fn email(self, role: Role) -> Option<String> {
        let tie = match self {
            Self::Own | Self::Absent => return None,
            Self::NotLinked => "stranger",
            Self::Invited => "invited",
            Self::Ended => "ended",
            Self::Linked(None) => "powerless",
            Self::Linked(Some(permission)) => permission.as_str(),
            Self::Coached => "coach",
            Self::OtherGym => "foreign",
        };
        Some(format!("{tie}.of.{}@gym.example", role.as_str()))
    }

    /// The state and the permissions of the link in which the caller coaches.
    fn link(self) -> Option<(&'static str, String)> {
        let every = LinkPermission::ALL.map(LinkPermission::as_str).join(",");
        match self {
            Self::Own | Self::NotLinked | Self::Coached | Self::Absent => None,
            Self::Invited => Some(("invited", every)),
            Self::Ended => Some(("ended", every)),
            Self::Linked(permission) => {
                Some(("active", permission.map_or("", |one| one.as_str()).to_owned()))
            }
            Self::OtherGym => Some(("active", every)),
        }
    }

    fn may_command(self, role: Role, command: CommandKind) -> bool {
        let rule = rule(command);
        match self {
            Self::Own => rule.owner.contains(&role),
            Self::Linked(permission) => coaches(role) && permission.is_some() && rule.coach == permission,
            Self::NotLinked | Self::Invited | Self::Ended | Self::Coached | Self::OtherGym | Self::Absent => {
                false
            }
        }
    }

    fn widest_view(self, role: Role, kind: EntityKind) -> Option<View> {
        match (kind, self) {
            (_, Self::OtherGym | Self::Absent) => None,
            (EntityKind::Session | EntityKind::Inbox, Self::Own) => {
                (role != Role::Admin).then_some(View::Athlete)
            }
            (EntityKind::Room, Self::Own) => coaches(role).then_some(View::Coach),
            (EntityKind::Session, _) => {
                view_for(role, self == Self::Linked(Some(LinkPermission::ViewSessions)))
            }
            (EntityKind::Inbox | EntityKind::Room, _) => None,
        }
    }
}

fn coaches(role: Role) -> bool {
    matches!(role, Role::Coach | Role::GymOwner)
}

/// Whether who has the view `widest` may ask for `wanted`. An inbox has no view but its owner's.
fn includes(kind: EntityKind, widest: View, wanted: View) -> bool {
    if kind == EntityKind::Inbox {
        return wanted == widest;
    }
    let below: &[View] = match widest {
        View::Athlete => &View::ALL,
        View::Coach => &[View::Coach, View::Operator, View::Tv],
        View::Operator => &[View::Operator, View::Tv],
        View::Tv => &[View::Tv],
    };
    below.contains(&wanted)
}

fn caller(role: Role) -> String {
    format!("caller.{}@gym.example", role.as_str())
}

/// Everyone of the matrix, with a session each.
struct Matrix {
    server: Server,
    people: Vec<Person>,
    session: SessionId,
    _place: Place,
}

impl Matrix {
    async fn new(place: Place) -> Self {
        let unlimited =
            [("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"), ("SPOTTER_SOCKET__COMMANDS_BURST", "10000")];
        let mut server = place.prepare(&unlimited);
        let owners = |gym: &'static str| {
            let pairs =
                Role::ALL.into_iter().flat_map(|role| Tie::all().into_iter().map(move |tie| (role, tie)));
            pairs.filter(move |(_, tie)| (*tie == Tie::OtherGym) == (gym == "other"))
        };
        for gym in ["iron", "other"] {
            server.tool(&["gym", "add", "--slug", gym, "--name", "Gym"], "").await;
            let mut file = "email,name,role\n".to_owned();
            for email in owners(gym).filter_map(|(role, tie)| tie.email(role)) {
                writeln!(file, "{email},Owner,athlete").unwrap();
            }
            if gym == "iron" {
                for role in Role::ALL {
                    // An admin is made by hand below: no command makes one.
                    let row = if role == Role::Admin { Role::Athlete } else { role };
                    writeln!(file, "{},Caller,{}", caller(role), row.as_str()).unwrap();
                }
            }
            let path = place.folder.path().join("users.csv");
            std::fs::write(&path, file).unwrap();
            server.tool(&["user", "add", "--gym", gym, "--from", path.to_str().unwrap()], "").await;
        }
        let tool = Store::open(&place.database).await.unwrap();
        let db = tool.db();
        let by_hand = db::query("UPDATE users SET role = 'admin' WHERE email = $1");
        by_hand.bind(caller(Role::Admin)).execute(&db.writer).await.unwrap();
        for (role, tie) in owners("iron").chain(owners("other")) {
            let Some(owner) = tie.email(role) else { continue };
            if let Some((state, permissions)) = tie.link() {
                link(&db, &caller(role), &owner, state, &permissions).await;
            } else if tie == Tie::Coached {
                let every = LinkPermission::ALL.map(LinkPermission::as_str).join(",");
                link(&db, &owner, &caller(role), "active", &every).await;
            }
        }
        let mut people = Vec::new();
        for (gym, role) in
            [("iron", "athlete"), ("iron", "coach"), ("iron", "gym_owner"), ("other", "athlete")]
        {
            people.extend(server.people(gym, role).await);
        }
        let email = caller(Role::Admin);
        let token = server.tool(&["token", "--gym", "iron", "--email", &email], "").await.trim().to_owned();
        let admin = db::query("SELECT id FROM users WHERE email = $1").bind(email.as_str());
        let admin = admin.fetch_one(&db.reader).await.unwrap();
        people.push(Person { email, user: UserId(admin.get("id").unwrap()), token });
        tool.close().await;
        server.start().await;
        let matrix = Self { server, people, session: SessionId(Uuid::now_v7()), _place: place };
        for person in &matrix.people {
            let mut wire = matrix.connect(person).await;
            let start = Start { workout: None, title: Some(Title::clipped("Legs")) };
            let to = Address::session(person.user, matrix.session);
            let started = ask(&mut wire, command(ClientId(Uuid::now_v7()), 1, to, start)).await;
            assert_eq!(started.v.is_some(), person.email != caller(Role::Admin));
        }
        matrix
    }

    fn person(&self, email: &str) -> &Person {
        self.people.iter().find(|person| person.email == email).expect("everyone is there")
    }

    async fn connect(&self, person: &Person) -> Wire {
        welcomed(&self.server, person).await
    }

    fn owner(&self, role: Role, tie: Tie) -> UserId {
        match (tie, tie.email(role)) {
            (_, Some(email)) => self.person(&email).user,
            (Tie::Own, None) => self.person(&caller(role)).user,
            (_, None) => UserId(Uuid::now_v7()),
        }
    }

    fn address(&self, owner: UserId, kind: EntityKind) -> Address {
        match kind {
            EntityKind::Session => Address::session(owner, self.session),
            EntityKind::Inbox => Address::inbox(owner),
            EntityKind::Room => Address::room(owner),
        }
    }
}

async fn link(db: &Db, coach: &str, athlete: &str, state: &str, permissions: &str) {
    let written = db::query(
        "INSERT INTO links (id, gym, coach, athlete, state, permissions, created_at)
         SELECT $1, c.gym, c.id, a.id, $2, $3, 0 FROM users c, users a WHERE c.email = $4 AND a.email = $5",
    );
    let written = written.bind(Uuid::now_v7()).bind(state).bind(permissions).bind(coach).bind(athlete);
    assert_eq!(written.execute(&db.writer).await.unwrap(), 1);
}

async fn welcomed(server: &Server, person: &Person) -> Wire {
    let client = ClientId(Uuid::now_v7());
    let mut wire = Wire::open(&server.socket(), &person.token, client, None).await.unwrap();
    assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
    wire
}

async fn ask(wire: &mut Wire, frame: CommandFrame) -> Reply {
    let req = frame.req;
    wire.send(ClientFrame::Command(frame)).await.unwrap();
    answer(wire, req).await
}

async fn answer(wire: &mut Wire, req: u64) -> Reply {
    let answered = async {
        loop {
            if let ServerFrame::Reply(reply) = wire.next().await.unwrap() {
                assert_eq!(reply.req, Some(req));
                return reply;
            }
        }
    };
    timeout(ANSWER, answered).await.expect("every request is answered")
}

/// Every command there is, as the protocol's own examples have it: a new one cannot do without.
fn examples() -> Vec<Command> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocol/golden/client");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let commands: Vec<Command> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "msgpack"))
        .filter_map(|path| {
            match ClientFrame::decode(Codec::MsgPack, &std::fs::read(path).unwrap()).unwrap() {
                ClientFrame::Command(frame) => Some(frame.command),
                _ => None,
            }
        })
        .collect();
    let shown: BTreeSet<CommandKind> = commands.iter().map(Command::kind).collect();
    assert_eq!(shown, CommandKind::all().collect(), "an example of every command");
    commands
}

async fn every_command_and_every_view_is_answered_exactly_as_the_tables_say(place: Place) {
    let matrix = Matrix::new(place).await;
    let kinds: Vec<EntityKind> = CommandKind::all().map(CommandKind::entity).collect();
    let views = [None].into_iter().chain(View::ALL.map(Some));
    let (mut asked, mut allowed) = (0, 0);
    let mut judge = |may: bool, reply: Reply, what: &str| {
        let refused = reply.error.filter(|fault| fault.code == ErrorCode::NotFound);
        // What may not be is answered alike whatever the reason, word for word.
        assert_eq!(refused, (!may).then(|| Fault::new(ErrorCode::NotFound)), "{what}");
        asked += 1;
        allowed += usize::from(may);
    };
    for role in Role::ALL {
        let person = matrix.person(&caller(role));
        let correspondent = matrix.owner(role, Tie::Coached);
        let mut wire = matrix.connect(person).await;
        let mut req = 0;
        for tie in Tie::all() {
            let owner = matrix.owner(role, tie);
            for mut example in examples() {
                let kind = example.kind();
                if let Command::Inbox(InboxCommand::Message(message)) = &mut example {
                    // Whether one may write from there is asked here, and to somebody one may write to.
                    message.to = correspondent;
                }
                req += 1;
                let frame =
                    command(ClientId(Uuid::now_v7()), 1, matrix.address(owner, kind.entity()), example);
                let reply = ask(&mut wire, CommandFrame { req, ..frame }).await;
                judge(tie.may_command(role, kind), reply, &format!("{role:?} {tie:?} {}", kind.as_str()));
            }
            for kind in &kinds {
                for view in views.clone() {
                    req += 1;
                    let to = matrix.address(owner, *kind);
                    let subscribe = Subscribe { req, to, since: None, view };
                    wire.send(ClientFrame::Subscribe(subscribe)).await.unwrap();
                    let widest = tie.widest_view(role, *kind);
                    let may = widest.is_some_and(|widest| includes(*kind, widest, view.unwrap_or(widest)));
                    let reply = answer(&mut wire, req).await;
                    judge(may, reply, &format!("{role:?} {tie:?} {kind:?} as {view:?}"));
                }
            }
        }
    }
    println!("{asked} requests, {allowed} of them allowed");
    assert!(allowed > 100 && asked > 10 * allowed / 2, "both kinds of answer were seen");
}

/// A gym with a coach, a gym owner who is linked like a coach, and two athletes.
struct Gym {
    server: Server,
    athletes: Vec<Person>,
    coach: Person,
    head: Person,
    _place: Place,
}

impl Gym {
    async fn new(place: Place, settings: &[(&str, &str)]) -> Self {
        let mut server = place.prepare(settings);
        let (athletes, coach) = server.populate("iron", 2).await;
        let head = ["--gym", "iron", "--email", "head@iron.example", "--name", "Head"];
        server
            .tool(&[&["user", "add", "--role", "gym_owner", "--no-password"], &head[..]].concat(), "")
            .await;
        let head = server.people("iron", "gym_owner").await.remove(0);
        let link = ["--coach", "head@iron.example", "--athlete", "a0@iron.example"];
        server.tool(&[&["link", "add", "--gym", "iron"], &link[..]].concat(), "").await;
        server.start().await;
        Self { server, athletes, coach, head, _place: place }
    }

    async fn connect(&self, person: &Person) -> Wire {
        welcomed(&self.server, person).await
    }

    /// A session of the first athlete's, begun on that socket.
    async fn begin(&self, athlete: &mut Wire) -> (ClientId, Address) {
        let (client, id) = (ClientId(Uuid::now_v7()), SessionId(Uuid::now_v7()));
        let to = Address::session(self.athletes[0].user, id);
        let start = Start { workout: None, title: Some(Title::clipped("Legs")) };
        assert!(ask(athlete, command(client, 1, to, start)).await.v.is_some());
        (client, to)
    }

    async fn end_link(&self, coach: &str) {
        let link = ["--gym", "iron", "--coach", coach, "--athlete", "a0@iron.example"];
        self.server.tool(&[&["link", "end"], &link[..]].concat(), "").await;
    }
}

fn a_long_note() -> SessionCommand {
    Note { set: None, text: NoteText::clipped(&"slow on the way down ".repeat(100)) }.into()
}

async fn subscribed(wire: &mut Wire, to: Address) {
    wire.subscribe(9, to, None).await.unwrap();
    assert!(answer(wire, 9).await.v.is_some());
}

/// Bytes of the server's that the system holds for a socket whose other end has this port: sent and not
/// received, and received and not read.
fn held_by_the_system(server: u16, reader: u16) -> u64 {
    let number = |hex: &str| u64::from_str_radix(hex, 16).unwrap();
    let port = |address: &str| number(address.rsplit_once(':').unwrap().1);
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.map(|row| {
        let (unsent, unread) = row[4].split_once(':').unwrap();
        match (port(row[1]), port(row[2])) {
            (from, to) if (from, to) == (server.into(), reader.into()) => number(unsent),
            (from, to) if (from, to) == (reader.into(), server.into()) => number(unread),
            _ => 0,
        }
    })
    .sum()
}

/// The coach reads nothing while the athlete trains. What the kernel has taken cannot be taken back, and how much
/// that is only the kernel knows: it is asked, once the server has judged. All else that waited must be gone.
#[cfg(target_os = "linux")]
async fn a_link_that_ends_takes_back_all_that_a_stalled_reader_was_not_handed(place: Place) {
    let gym = Gym::new(
        place,
        &[
            ("SPOTTER_SOCKET__SEND_QUEUE_BYTES", "16777216"),
            ("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"),
            ("SPOTTER_SOCKET__COMMANDS_BURST", "10000"),
            ("SPOTTER_SOCKET__SUBSCRIPTIONS", "1000"),
        ],
    )
    .await;
    let mut athlete = gym.connect(&gym.athletes[0]).await;
    let (client, session) = gym.begin(&mut athlete).await;
    for n in 2..42 {
        assert!(ask(&mut athlete, command(client, n, session, a_long_note())).await.v.is_some());
    }
    let mut coach = gym.connect(&gym.coach).await;
    // Each subscription begins anew with the whole state: more of it than any system holds for a socket.
    for req in 0..100 {
        coach.subscribe(req, session, None).await.unwrap();
    }
    for n in 42..450 {
        assert!(ask(&mut athlete, command(client, n, session, a_long_note())).await.v.is_some());
    }

    gym.end_link("c@iron.example").await;
    let judged = async {
        while gym.server.metric("spotter_ws_revoked_total").await < 1.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(IN_FORCE, judged).await.expect("rights are in force within a second, read or not");
    let discarded = gym.server.metric("spotter_ws_frames_discarded_total").await;
    assert!(discarded > 100.0, "the reader had stalled, and {discarded} frames were taken back");
    let held = held_by_the_system(gym.server.port, coach.port());
    assert!(ask(&mut athlete, command(client, 450, session, a_long_note())).await.v.is_some());

    let (mut shown, mut largest) = (0, 0);
    let rest = async {
        loop {
            match coach.next().await.unwrap() {
                ServerFrame::Revoked(revoked) => return assert_eq!(revoked.to, session),
                ServerFrame::Reply(_) => {}
                frame @ (ServerFrame::Snapshot(_) | ServerFrame::Events(_)) => {
                    let bytes = frame.encode(Codec::MsgPack).len() as u64;
                    shown += bytes;
                    largest = largest.max(bytes);
                }
                frame => panic!("not asked for: {frame:?}"),
            }
        }
    };
    timeout(ANSWER, rest).await.expect("the subscription ends with `revoked`");
    println!(
        "{shown} bytes of the athlete's came late; the system held {held}, and {discarded} frames were taken back"
    );
    // What was handed over and the system had no room for: the write buffer, and the one frame begun.
    let between = 4096 + largest;
    assert!(shown <= held + between, "{shown} bytes came, and only {held} were the system's");
    coach.send(ClientFrame::Ping(Ping { clock: wire::now() })).await.unwrap();
    // Requests that the server had no time to read while it could not write are refused now.
    loop {
        match coach.next().await.unwrap() {
            ServerFrame::Pong(_) => break,
            ServerFrame::Reply(reply) => assert_eq!(reply.error, Some(Fault::new(ErrorCode::NotFound))),
            frame => panic!("nothing of the athlete's follows: {frame:?}"),
        }
    }
    coach.subscribe(99, session, None).await.unwrap();
    assert_eq!(answer(&mut coach, 99).await.error, Some(Fault::new(ErrorCode::NotFound)));
}

async fn who_may_see_less_is_shown_less_from_the_state_on(place: Place) {
    let gym = Gym::new(place, &[]).await;
    let mut athlete = gym.connect(&gym.athletes[0]).await;
    let (client, session) = gym.begin(&mut athlete).await;
    assert!(ask(&mut athlete, command(client, 2, session, a_long_note())).await.v.is_some());
    let mut head = gym.connect(&gym.head).await;
    subscribed(&mut head, session).await;

    gym.end_link("head@iron.example").await;
    let snapshot = async {
        loop {
            if let ServerFrame::Snapshot(snapshot) = head.next().await.unwrap() {
                return snapshot;
            }
        }
    };
    let snapshot = timeout(IN_FORCE, snapshot).await.expect("in force within a second");
    assert_eq!(snapshot.view, View::Operator);
    assert!(!format!("{:?}", snapshot.state).contains("slow on the way down"), "no remarks");

    assert!(ask(&mut athlete, command(client, 3, session, a_long_note())).await.v.is_some());
    let ServerFrame::Events(frame) = head.next().await.unwrap() else { panic!("it goes on") };
    assert_eq!((frame.events[0].v, &frame.events[0].ev), (snapshot.v.next(), &Shown::Hidden));
}

async fn another_role_or_password_closes_what_the_old_token_opened_and_opens_nothing_more(place: Place) {
    let gym = Gym::new(place, &[]).await;
    let mut bystander = gym.connect(&gym.athletes[1]).await;
    let passwd: &[&str] = &["user", "passwd", "--email", "a0@iron.example", "--password-stdin"];
    let role: &[&str] = &["user", "role", "--email", "c@iron.example", "--role", "athlete"];
    for (person, change, code) in [(&gym.athletes[0], passwd, 4503), (&gym.coach, role, 4401)] {
        let mut wire = gym.connect(person).await;

        gym.server.tool(&[change, &["--gym", "iron"]].concat(), "correct horse\n").await;

        let Closed(closed) = timeout(IN_FORCE, closing(&mut wire)).await.expect("in force within a second");
        assert_eq!(closed, Some(code));
        let client = ClientId(Uuid::now_v7());
        let mut again = Wire::open(&gym.server.socket(), &person.token, client, None).await.unwrap();
        assert_eq!(closing(&mut again).await.0, Some(code));
        let me = reqwest::Client::new().get(format!("{}/api/v1/me", gym.server.http()));
        assert_eq!(me.bearer_auth(&person.token).send().await.unwrap().status(), 401);
    }
    bystander.send(ClientFrame::Ping(Ping { clock: wire::now() })).await.unwrap();
    assert!(matches!(bystander.next().await.unwrap(), ServerFrame::Pong(_)), "others are untouched");
}

async fn closing(wire: &mut Wire) -> Closed {
    loop {
        if let Err(closed) = wire.next().await {
            return closed;
        }
    }
}

async fn a_wall_shows_an_athlete_no_more_within_a_second(place: Place) {
    let gym = Gym::new(place, &[]).await;
    let mut coach = gym.connect(&gym.coach).await;
    coach.subscribe(1, Address::room(gym.coach.user), None).await.unwrap();
    let full = tiles(&mut coach).await;
    assert!(full.full && full.tiles.len() == 2);

    gym.end_link("c@iron.example").await;

    // Told as gone, or left out of all tiles there are when the news was itself taken back.
    let lost = gym.athletes[0].user;
    let gone = async {
        loop {
            let frame = tiles(&mut coach).await;
            if frame.gone.contains(&lost) || frame.full && frame.tiles.iter().all(|tile| tile.athlete != lost)
            {
                return;
            }
        }
    };
    timeout(IN_FORCE, gone).await.expect("in force within a second");
}

async fn tiles(wire: &mut Wire) -> spotter_protocol::TilesFrame {
    loop {
        if let ServerFrame::Tiles(tiles) = wire.next().await.unwrap() {
            return tiles;
        }
    }
}
