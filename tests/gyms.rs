//! Gyms that are made and removed beside a running node, on both databases: of a gym that leaves nothing stays, and
//! nobody else notices.

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

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::Postgres;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use server::Server;
use spotter::db::{self, Db, Pool};
use spotter::store::{Database, Store};
use spotter::verify;
use spotter_protocol::{
    Address, ClientFrame, ClientId, CommandFrame, Finish, GymId, InboxCommand, InstanceId, Message,
    MessageId, MessageText, Note, NoteText, Reply, ServerFrame, SessionId, Start, Title, UserId,
};
use sqlx::{AssertSqlSafe, Row};
use store::on_both;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;
use wire::{Closed, Wire, a_set, command};

/// A server that does not answer for so long hangs.
const ANSWER: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse";
/// The code a socket is closed with whose token is of nobody.
const FORBIDDEN: u16 = 4503;

on_both! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    super::House::on_a_file().await, super::House::on_a_server().await =>
    a_gym_is_made_whole_or_not_at_all_and_only_by_who_runs_the_node
    a_gym_that_trains_is_removed_and_another_does_not_notice
    a_removal_that_was_killed_goes_on_and_touches_nothing_else
}

/// A running server and its database.
struct House {
    server: Server,
    database: Database,
    http: Client,
    _folder: TempDir,
}

/// Somebody who has signed in.
struct Member {
    user: UserId,
    token: String,
    refresh: String,
}

impl House {
    async fn on_a_file() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = store::file(folder.path());
        Self::open(folder, database, &[]).await
    }

    async fn on_a_server() -> Self {
        let url = Postgres::shared().new_database().await;
        let settings = [("SPOTTER_DATABASE", url.as_str()), ("SPOTTER_POSTGRES__MIGRATE", "true")];
        Self::open(tempfile::tempdir().unwrap(), store::server(&url), &settings).await
    }

    async fn open(folder: TempDir, database: Database, settings: &[(&str, &str)]) -> Self {
        let short = [
            ("SPOTTER_ENGINE__ROTATE_EVERY", "20"),
            ("SPOTTER_ENGINE__SNAPSHOT_EVERY", "10"),
            ("SPOTTER_SOCKET__COMMANDS_PER_S", "10000"),
            ("SPOTTER_SOCKET__COMMANDS_BURST", "10000"),
        ];
        let mut server = Server::prepare(folder.path(), &[settings, &short].concat());
        server.start().await;
        Self { server, database, http: Client::new(), _folder: folder }
    }

    async fn ask(&self, method: Method, address: String, body: Option<Value>) -> (StatusCode, Value) {
        let request = self.http.request(method, address);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.ask(method, format!("{}{path}", self.server.admin()), body).await
    }

    async fn login(&self, gym: &str, email: &str) -> (StatusCode, Value) {
        let body = json!({ "gym": gym, "email": email, "password": PASSWORD });
        self.ask(Method::POST, format!("{}/api/v1/auth/login", self.server.http()), Some(body)).await
    }

    async fn sign_in(&self, gym: &str, name: &str) -> Member {
        let (status, signed_in) = self.login(gym, &format!("{name}@{gym}.example")).await;
        assert_eq!(status, StatusCode::OK, "{signed_in}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Member {
            user: signed_in["user"]["id"].as_str().unwrap().parse().unwrap(),
            token: text(&signed_in["access_token"]),
            refresh: text(&signed_in["refresh_token"]),
        }
    }

    /// Makes a gym of a coach, an owner and athletes, all coached.
    async fn make(&self, gym: &str, athletes: usize) -> GymId {
        let (status, made) =
            self.admin(Method::POST, "/gyms", Some(json!({ "slug": gym, "name": "A Gym" }))).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let user = |name: String, role: &str| {
            let with_password = json!(PASSWORD);
            json!({ "email": format!("{name}@{gym}.example"), "name": name, "role": role, "password": with_password })
        };
        let names: Vec<String> = (0..athletes).map(|n| format!("a{n}")).collect();
        let mut users = vec![user("c".to_owned(), "coach"), user("o".to_owned(), "gym_owner")];
        users.extend(names.iter().map(|name| user(name.clone(), "athlete")));
        let (status, added) =
            self.admin(Method::POST, &format!("/gyms/{gym}/users"), Some(json!({ "users": users }))).await;
        assert_eq!((status, added["users"].as_array().unwrap().len()), (StatusCode::CREATED, athletes + 2));
        let links = names.iter().map(
            |name| json!({ "coach": format!("c@{gym}.example"), "athlete": format!("{name}@{gym}.example") }),
        );
        let links: Vec<_> = links.collect();
        let (status, _) =
            self.admin(Method::POST, &format!("/gyms/{gym}/links"), Some(json!({ "links": links }))).await;
        assert_eq!(status, StatusCode::CREATED);
        made["id"].as_str().unwrap().parse().unwrap()
    }

    async fn phone(&self, member: &Member) -> Phone {
        let client = ClientId(Uuid::now_v7());
        let mut wire = Wire::open(&self.server.socket(), &member.token, client, None).await.unwrap();
        assert!(matches!(wire.next().await.unwrap(), ServerFrame::Welcome(_)));
        let session = Address::session(member.user, SessionId(Uuid::now_v7()));
        Phone { wire, client, session, n: 0 }
    }

    /// Whether `verify` finds nothing.
    async fn verify(&self, db: &Db) {
        let report = verify::run(&db.reader, |_| {}).await.unwrap();
        assert_eq!(report.findings, []);
        assert!(report.counts.entities > 0, "somebody is left to be looked at");
    }
}

/// A socket with a session of its own.
struct Phone {
    wire: Wire,
    client: ClientId,
    session: Address,
    n: u64,
}

impl Phone {
    async fn tell(&mut self, what: impl Into<spotter_protocol::Command>) -> Result<Reply, Closed> {
        self.n += 1;
        let frame = command(self.client, self.n, self.session, what);
        self.send(frame).await
    }

    async fn send(&mut self, frame: CommandFrame) -> Result<Reply, Closed> {
        let req = frame.req;
        self.wire.send(ClientFrame::Command(frame)).await?;
        self.reply_to(req).await
    }

    async fn reply_to(&mut self, req: u64) -> Result<Reply, Closed> {
        loop {
            if let ServerFrame::Reply(reply) = timeout(ANSWER, self.wire.next()).await.unwrap()?
                && reply.req == Some(req)
            {
                return Ok(reply);
            }
        }
    }

    async fn begin(&mut self) {
        let start = Start { workout: None, title: Some(Title::clipped("Legs")) };
        assert!(self.tell(start).await.unwrap().error.is_none());
    }

    async fn follow(&mut self, to: Address) {
        self.wire.subscribe(1_000_000, to, None).await.unwrap();
        assert!(self.reply_to(1_000_000).await.unwrap().error.is_none());
    }

    /// Sends sets until the socket ends, and says when one is acknowledged; answers how many were, and the code.
    async fn train_until_closed(mut self, logged: mpsc::Sender<()>) -> (u64, Option<u16>) {
        let squat = InstanceId(Uuid::now_v7());
        let mut done = 0;
        loop {
            match self.tell(a_set(squat)).await {
                Ok(reply) if reply.error.is_none() => {
                    done += 1;
                    // Only the first one is waited for.
                    let _ = logged.try_send(());
                }
                Ok(_) => {}
                Err(Closed(code)) => return (done, code),
            }
        }
    }

    /// Reads until the socket ends.
    async fn read_until_closed(mut self) -> Option<u16> {
        loop {
            if let Err(Closed(code)) = timeout(ANSWER, self.wire.next()).await.expect("the socket is closed")
            {
                return code;
            }
        }
    }
}

fn a_note() -> Note {
    Note { set: None, text: NoteText::clipped("slow on the way down") }
}

/// Every row of every table, as text in which each id stands in hexadecimal digits alone. Not the tables in which a node
/// says that it runs.
async fn every_row(db: &Db) -> BTreeMap<String, Vec<String>> {
    let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    match &db.reader {
        Pool::Sqlite(pool) => {
            let tables =
                sqlx::query_scalar::<_, String>("SELECT name FROM sqlite_schema WHERE type = 'table'");
            for table in tables.fetch_all(pool).await.unwrap() {
                let columns = sqlx::query("SELECT name FROM pragma_table_info(?)").bind(table.as_str());
                let columns = columns.fetch_all(pool).await.unwrap();
                let shown = columns.iter().map(|row| format!("quote(\"{}\")", row.get::<String, _>(0)));
                let shown = shown.collect::<Vec<_>>().join(" || ' ' || ");
                let all = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {shown} FROM \"{table}\"")));
                rows.insert(table, all.fetch_all(pool).await.unwrap());
            }
        }
        Pool::Postgres(pool) => {
            let tables = sqlx::query_scalar::<_, String>(
                "SELECT table_name::text FROM information_schema.tables
                 WHERE table_schema = 'public' AND table_name NOT LIKE 'journal\\_%'",
            );
            for table in tables.fetch_all(pool).await.unwrap() {
                let all = format!("SELECT every::text FROM \"{table}\" AS every");
                rows.insert(table, sqlx::query_scalar(AssertSqlSafe(all)).fetch_all(pool).await.unwrap());
            }
        }
    }
    assert!(rows.len() > 10, "every table is there");
    for table in ["meta", "nodes", "shards", "sqlite_sequence", "sqlite_stat1"] {
        rows.remove(table);
    }
    for row in rows.values_mut().flatten() {
        *row = row.replace('-', "").to_lowercase();
    }
    rows
}

/// The rows in which one of `ids` stands, and the others.
fn with_and_without(
    rows: BTreeMap<String, Vec<String>>,
    ids: &[Uuid],
) -> (BTreeMap<String, Vec<String>>, BTreeMap<String, Vec<String>>) {
    let ids: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
    let (mut with, mut without) = (BTreeMap::new(), BTreeMap::new());
    for (table, rows) in rows {
        let (named, mut others): (Vec<String>, Vec<String>) =
            rows.into_iter().partition(|row| ids.iter().any(|id| row.contains(id.as_str())));
        others.sort();
        if !named.is_empty() {
            with.insert(table.clone(), named);
        }
        without.insert(table, others);
    }
    (with, without)
}

/// The ids of a gym: its own, its people's, and those of their streams, the ones they have left too.
async fn ids_of(db: &Db, gym: GymId) -> Vec<Uuid> {
    let mut ids = vec![gym.0];
    for text in [
        "SELECT id FROM users WHERE gym = $1",
        "SELECT stream AS id FROM entities WHERE gym = $1",
        "SELECT DISTINCT stream AS id FROM journal WHERE author IN (SELECT id FROM users WHERE gym = $1)",
    ] {
        let rows = db::query(text).bind(gym.0).fetch_all(&db.reader).await.unwrap();
        ids.extend(rows.iter().map(|row| row.get::<Uuid>("id").unwrap()));
    }
    ids
}

/// A problem without what differs from request to request.
fn alike((status, mut problem): (StatusCode, Value)) -> (StatusCode, Value) {
    problem.as_object_mut().unwrap().remove("request_id").unwrap();
    (status, problem)
}

async fn a_gym_is_made_whole_or_not_at_all_and_only_by_who_runs_the_node(house: House) {
    house.make("north", 1).await;
    house.sign_in("north", "a0").await;
    let post = async |path: &str, body: Value| {
        let (status, problem) = house.admin(Method::POST, path, Some(body)).await;
        (status, problem["detail"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |(status, detail): (StatusCode, String), expected: StatusCode, said: &str| {
        assert!(status == expected && detail.contains(said), "{status}: {detail:?} says {said:?}");
    };

    let again = post("/gyms", json!({ "slug": "north", "name": "Other" })).await;
    refused(again, StatusCode::CONFLICT, "already a gym `north`: choose another slug");
    refused(post("/gyms", json!({ "slug": "No", "name": "N" })).await, StatusCode::BAD_REQUEST, "a-z");
    refused(post("/gyms", json!({ "slug": "no", "name": " " })).await, StatusCode::BAD_REQUEST, "a name");
    let user = |email: &str, role: &str, password: &str| json!({ "email": email, "name": "Zoe", "role": role, "password": password });
    let users = |users: Vec<Value>| json!({ "users": users });
    let zoe = user("zoe@north.example", "athlete", PASSWORD);
    for (second, expected, said) in [
        (user("a0@north.example", "athlete", PASSWORD), StatusCode::CONFLICT, "already has an account"),
        (user("nobody", "athlete", PASSWORD), StatusCode::BAD_REQUEST, "`nobody` is no e-mail"),
        (user("y@z", "admin", PASSWORD), StatusCode::BAD_REQUEST, "a role is"),
        (user("y@z", "athlete", "short"), StatusCode::BAD_REQUEST, "y@z: a password has at least 8"),
    ] {
        refused(post("/gyms/north/users", users(vec![zoe.clone(), second])).await, expected, said);
    }
    let crowd = (0..501).map(|n| json!({ "email": format!("{n}@x.y"), "name": "N", "role": "athlete" }));
    refused(post("/gyms/north/users", users(crowd.collect())).await, StatusCode::BAD_REQUEST, "at most 500");
    refused(post("/gyms/south/users", users(vec![zoe])).await, StatusCode::NOT_FOUND, "no gym `south`");
    let link = |coach: &str| json!({ "coach": coach, "athlete": "a0@north.example" });
    let links = json!({ "links": [link("o@north.example"), link("nobody@north.example")] });
    refused(post("/gyms/north/links", links).await, StatusCode::CONFLICT, "nobody in this gym");

    let (status, people) = house.admin(Method::GET, "/gyms/north", None).await;
    assert_eq!(
        (status, people),
        (StatusCode::OK, json!({ "athletes": 1, "staff": 2, "is_closed": false })),
        "nothing of what was refused was made"
    );
    let (status, problem) = house.admin(Method::DELETE, "/gyms/south", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
    for (method, path) in [
        (Method::DELETE, "/gyms/north"),
        (Method::GET, "/gyms/north"),
        (Method::POST, "/gyms"),
        (Method::POST, "/gyms/north/users"),
    ] {
        let public = format!("{}{path}", house.server.http());
        let (status, _) = house.ask(method, public, Some(json!({ "slug": "evil", "name": "E" }))).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path} is not public");
    }
    let said = house.server.tool_in_vain(&["gym", "remove", "--slug", "north"]).await;
    assert!(said.contains("1 athletes and 2 coaches and owners") && said.contains("--yes"), "{said}");
    let said = house.server.tool_in_vain(&["gym", "remove", "--slug", "south", "--yes"]).await;
    assert!(said.contains("knows nothing of that name"), "{said}");
    house.sign_in("north", "a0").await;
}

async fn a_gym_that_trains_is_removed_and_another_does_not_notice(house: House) {
    let leaving = house.make("leaving", 3).await;
    house.make("staying", 1).await;
    let tool = Store::open(&house.database).await.unwrap();
    let db = tool.db();

    // One has finished, long enough for several streams; two train; the coach and the owner look on.
    let (first, coach) = (house.sign_in("leaving", "a0").await, house.sign_in("leaving", "c").await);
    let mut done = house.phone(&first).await;
    done.begin().await;
    for _ in 0..35 {
        done.tell(a_note()).await.unwrap();
    }
    assert!(done.tell(Finish {}).await.unwrap().error.is_none());
    let mut trainees = Vec::new();
    let mut sessions = Vec::new();
    for name in ["a1", "a2"] {
        let mut phone = house.phone(&house.sign_in("leaving", name).await).await;
        phone.begin().await;
        sessions.push(phone.session);
        trainees.push(phone);
    }
    let mut watching = house.phone(&coach).await;
    for to in [sessions[0], Address::room(coach.user), Address::room(UserId(leaving.0))] {
        watching.follow(to).await;
    }
    for n in 1..=20 {
        let text = MessageText::clipped("well done");
        let message = Message { id: MessageId(Uuid::now_v7()), to: first.user, text, about: None };
        let frame = command(watching.client, n, Address::inbox(coach.user), InboxCommand::from(message));
        assert!(watching.send(frame).await.unwrap().error.is_none());
    }
    let dead = db::query(
        "INSERT INTO dead_letters (id, gym, address, author, command, kind, clock_offset, received_at, given_up_at, why,
             frame) VALUES ($1, $2, 'inbox/x/x', $3, $1, 'note', 0, 0, 0, 'why', '{}')",
    );
    dead.bind(Uuid::now_v7()).bind(leaving.0).bind(first.user.0).execute(&db.writer).await.unwrap();
    let ids = ids_of(&db, leaving).await;
    let (had, _) = with_and_without(every_row(&db).await, &ids);
    for table in
        ["journal", "entities", "snapshots", "sessions", "messages", "reminders", "dead_letters", "links"]
    {
        assert!(had.contains_key(table), "{table} has rows that are to go");
    }
    let left = db::query("SELECT count(*) AS streams FROM journal WHERE kind = 'moved'");
    let left = left.fetch_one(&db.reader).await.unwrap();
    assert!(left.get::<i64>("streams").unwrap() > 1, "streams were left");

    let mut neighbour = house.phone(&house.sign_in("staying", "a0").await).await;
    neighbour.begin().await;
    let mut follower = house.phone(&house.sign_in("staying", "c").await).await;
    follower.follow(neighbour.session).await;
    let mut training = Vec::new();
    let mut begun = Vec::new();
    for phone in trainees {
        let (logged, first) = mpsc::channel(1);
        training.push(tokio::spawn(phone.train_until_closed(logged)));
        begun.push(first);
    }
    let watching = tokio::spawn(watching.read_until_closed());
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let neighbour = tokio::spawn(async move {
        let mut last = 0;
        while stopped.try_recv().is_err() {
            let reply = neighbour.tell(a_note()).await.expect("the other gym's socket stays");
            assert!(reply.error.is_none(), "{reply:?}");
            last = reply.v.unwrap().0;
            // A session holds so many notes and no more.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        last
    });
    for first in &mut begun {
        first.recv().await.expect("it trains before the gym leaves");
    }

    let said = house.server.tool(&["gym", "remove", "--slug", "leaving", "--yes"], "").await;

    assert_eq!(said, "leaving is removed\n");
    for trainee in training {
        let (acknowledged, code) = trainee.await.unwrap();
        assert!(acknowledged > 0 && code == Some(FORBIDDEN), "{acknowledged} sets, closed with {code:?}");
    }
    assert_eq!(watching.await.unwrap(), Some(FORBIDDEN));
    assert_eq!(done.read_until_closed().await, Some(FORBIDDEN));
    // Whatever was under way then has had its time.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    stop.send(()).unwrap();
    let last = neighbour.await.unwrap();
    let ids = [ids, vec![sessions[0].id, sessions[1].id]].concat();
    let (has, _) = with_and_without(every_row(&db).await, &ids);
    assert_eq!(has, BTreeMap::new(), "nothing of it is left");

    let mut seen = 1;
    while seen < last {
        match timeout(ANSWER, follower.wire.next()).await.expect("everything is shown").unwrap() {
            ServerFrame::Events(events) => {
                for event in events.events {
                    seen += 1;
                    assert_eq!(event.v.0, seen, "each event once and in turn");
                }
            }
            ServerFrame::Snapshot(snapshot) => seen = snapshot.v.0,
            _ => {}
        }
    }
    let (gone, never) = ("leaving", "never-there");
    assert_eq!(
        alike(house.login(gone, "a0@leaving.example").await),
        alike(house.login(never, "a0@leaving.example").await)
    );
    let refresh = async |token: &str| {
        let body = json!({ "refresh_token": token });
        house.ask(Method::POST, format!("{}/api/v1/auth/refresh", house.server.http()), Some(body)).await
    };
    assert_eq!(alike(refresh(&first.refresh).await), alike(refresh("nobody's").await));
    let me = house.http.get(format!("{}/api/v1/me", house.server.http())).bearer_auth(&first.token);
    assert_eq!(me.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let client = ClientId(Uuid::now_v7());
    let mut late = Wire::open(&house.server.socket(), &first.token, client, None).await.unwrap();
    assert_eq!(late.next().await.unwrap_err().0, Some(FORBIDDEN));

    house.verify(&db).await;
    assert_ne!(house.make("leaving", 1).await, leaving, "the slug can be used again");
    house.sign_in("leaving", "a0").await;
    tool.close().await;
}

async fn a_removal_that_was_killed_goes_on_and_touches_nothing_else(mut house: House) {
    house.make("staying", 2).await;
    let member = house.sign_in("staying", "a0").await;
    let mut phone = house.phone(&member).await;
    phone.begin().await;
    for _ in 0..25 {
        phone.tell(a_note()).await.unwrap();
    }
    drop(phone);
    let leaving = house.make("leaving", 1).await;
    let mut last = house.phone(&house.sign_in("leaving", "a0").await).await;
    last.begin().await;
    for _ in 0..25 {
        last.tell(a_note()).await.unwrap();
    }
    // Enough people for several requests, and letters for each.
    let email = |n: usize| format!("b{n}@leaving.example");
    let crowd = (0..400).map(|n| json!({ "email": email(n), "name": "B", "role": "athlete" }));
    let crowd = json!({ "users": crowd.collect::<Vec<_>>() });
    assert_eq!(house.admin(Method::POST, "/gyms/leaving/users", Some(crowd)).await.0, StatusCode::CREATED);
    let links = (0..400).map(|n| json!({ "coach": "c@leaving.example", "athlete": email(n) }));
    let links = json!({ "links": links.collect::<Vec<_>>() });
    assert_eq!(house.admin(Method::POST, "/gyms/leaving/links", Some(links)).await.0, StatusCode::CREATED);
    let tool = Store::open(&house.database).await.unwrap();
    let db = tool.db();
    // Nothing is written any more once all letters are carried and everybody rests.
    while !every_row(&db).await["letters"].is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.server.stop().await, Some(0));
    let ids = ids_of(&db, leaving).await;
    let (had, others) = with_and_without(every_row(&db).await, &ids);
    house.server.start().await;

    loop {
        let (status, left) = house.admin(Method::DELETE, "/gyms/leaving", None).await;
        assert_eq!((status, &left["state"]), (StatusCode::OK, &json!("partly")), "{left}");
        if left["awake"] == 0 && left["people"].as_u64().unwrap() < 400 {
            break;
        }
    }
    let under_way = house.http.delete(format!("{}/gyms/leaving", house.server.admin())).send();
    let under_way = tokio::spawn(under_way);
    tokio::time::sleep(Duration::from_millis(20)).await;
    house.server.kill().await;
    let _ = under_way.await;
    let (half, same) = with_and_without(every_row(&db).await, &ids);
    assert!(!half.is_empty() && half["users"].len() < had["users"].len(), "it is in the middle");
    assert_eq!(same, others, "nobody else's rows are touched");

    house.server.start().await;
    assert_eq!(house.login("leaving", "a0@leaving.example").await.0, StatusCode::UNAUTHORIZED);
    let (status, _) = house.admin(Method::POST, "/gyms/leaving/users", Some(json!({ "users": [] }))).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "a closed gym takes nobody in");
    let said = house.server.tool_in_vain(&["gym", "remove", "--slug", "leaving"]).await;
    assert!(said.contains("its removal has begun"), "{said}");
    house.server.tool(&["gym", "remove", "--slug", "leaving", "--yes"], "").await;

    let (has, same) = with_and_without(every_row(&db).await, &ids);
    assert_eq!(has, BTreeMap::new(), "nothing of it is left");
    assert_eq!(same, others, "nobody else's rows are touched");
    house.verify(&db).await;
    let mut phone = house.phone(&member).await;
    phone.begin().await;
    tool.close().await;
}
