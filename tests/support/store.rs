//! Stores to serve from, each empty and of its own: a file, and a database of the server that a program's tests share.

#![allow(dead_code, unreachable_pub, unused_imports, unused_macros, reason = "each test uses its part")]

use std::path::Path;

use spotter::store::{Database, Server, Store};
use spotter_actors::Claim;
use tempfile::TempDir;

use crate::postgres::Postgres;

/// Makes tests of functions that take something of either database, each with an attribute: one test with what is made on
/// a file, and one with what is made on a server. Both are said as a module of the caller's sees them.
macro_rules! on_both {
    (#[$attribute:meta] $file:expr, $server:expr => $($test:ident)*) => {
        mod on_a_file {
            $(#[$attribute]
            async fn $test() {
                super::$test($file).await;
            })*
        }

        mod on_a_server {
            $(#[$attribute]
            async fn $test() {
                super::$test($server).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// A store, claimed by whoever opened it.
pub struct Serving {
    pub store: Store,
    pub claim: Claim,
    _directory: Option<TempDir>,
}

impl Serving {
    /// One that was opened elsewhere.
    pub fn of(store: Store, claim: Claim) -> Self {
        Self { store, claim, _directory: None }
    }
}

/// The file in a folder.
pub fn file(folder: &Path) -> Database {
    Database::File(folder.join("spotter.db"))
}

/// The database of an address, whose tables are brought up to date.
pub fn server(url: &str) -> Database {
    let options = url.parse().unwrap();
    Database::Server(Box::new(Server { options, lanes: 2, readers: 2, allow_unsafe: false, migrate: true }))
}

/// A store in a file.
pub async fn on_file() -> Serving {
    let directory = tempfile::tempdir().unwrap();
    let (store, claim) = Store::open_serving(&file(directory.path()), "here").await.unwrap();
    Serving { store, claim, _directory: Some(directory) }
}

/// A store on a server.
pub async fn on_server() -> Serving {
    let database = server(&Postgres::shared().new_database().await);
    let (store, claim) = Store::open_serving(&database, "here").await.unwrap();
    Serving::of(store, claim)
}
