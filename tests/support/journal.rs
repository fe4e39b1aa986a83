//! The journal as it is in the tables, whichever store has them, held against what athletes were told.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use std::collections::{HashMap, HashSet};

use spotter_protocol::{Address, ClientId, CommandId, SessionId, UserId, Version};
use sqlx::{Connection, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::athletes::Book;

/// The same in both stores.
const QUERY: &str = "SELECT e.owner, e.id, j.version, j.epoch, j.command, j.client, j.n \
                     FROM journal j JOIN entities e ON e.stream = j.stream \
                     WHERE e.kind = 'session' ORDER BY j.stream, j.version";

type Columns = (Uuid, Uuid, i64, i64, Uuid, Uuid, i64);

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub version: Version,
    pub epoch: i64,
    pub command: CommandId,
    pub client: ClientId,
    pub n: u64,
}

/// The events of every session, in the order of their versions.
pub struct Journal(HashMap<Address, Vec<Row>>);

impl Journal {
    /// Reads the journal of a SQLite store.
    pub async fn of_sqlite(file: &std::path::Path) -> Self {
        let mut connection = SqliteConnection::connect(file.to_str().unwrap()).await.unwrap();
        Self::of(sqlx::query_as(QUERY).fetch_all(&mut connection).await.unwrap())
    }

    /// Reads the journal of a PostgreSQL store.
    pub async fn of_postgres(url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.unwrap();
        Self::of(sqlx::query_as(QUERY).fetch_all(&mut connection).await.unwrap())
    }

    fn of(rows: Vec<Columns>) -> Self {
        let mut journal: HashMap<Address, Vec<Row>> = HashMap::new();
        for (owner, id, version, epoch, command, client, n) in rows {
            let number = |number: i64| u64::try_from(number).unwrap();
            journal.entry(Address::session(UserId(owner), SessionId(id))).or_default().push(Row {
                version: Version(number(version)),
                epoch,
                command: CommandId(command),
                client: ClientId(client),
                n: number(n),
            });
        }
        Self(journal)
    }

    /// The events of a session.
    pub fn rows(&self, session: Address) -> &[Row] {
        self.0.get(&session).map_or(&[], Vec::as_slice)
    }

    /// All events.
    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.0.values().flatten()
    }

    /// The newest version of a session.
    pub fn head(&self, session: Address) -> Option<Version> {
        self.rows(session).last().map(|row| row.version)
    }

    /// Versions are consecutive, epochs never go back, and the events of a command stand together, once.
    pub fn check(&self) {
        for (session, rows) in &self.0 {
            for (place, row) in rows.iter().enumerate() {
                assert_eq!(row.version.0, place as u64 + 1, "{session}: versions are consecutive from 1");
            }
            assert!(rows.is_sorted_by_key(|row| row.epoch), "{session}: epochs never go back");
            let mut commands = HashSet::new();
            for of_command in rows.chunk_by(|one, next| one.command == next.command) {
                let command = of_command[0].command;
                assert!(commands.insert(command), "{session}: the events of {command} stand together, once");
            }
        }
    }

    /// Everything that an athlete was told is in the journal is there, once.
    pub fn holds(&self, book: &Book) {
        let rows = self.rows(book.session);
        for (n, (frame, version)) in &book.acknowledged {
            let events: Vec<_> = rows.iter().filter(|row| row.command == frame.id).collect();
            assert!(!events.is_empty(), "acknowledged {} (n {n}) of {} is there", frame.id, book.session);
            assert!(events.iter().all(|row| row.n == *n && row.client == book.client));
            let last = events.last().map(|row| row.version);
            assert_eq!(
                last,
                Some(*version),
                "n {n} of {} was acknowledged at its last version",
                book.session
            );
        }
    }
}
