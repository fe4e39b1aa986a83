//! Tests of what is kept, on either database.

#[path = "../../tests/support/postgres.rs"]
mod postgres;

use std::path::Path;

use self::postgres::Postgres;
use super::Db;
use crate::store::{Database, Server, Store};

/// Makes tests of functions that take an empty database: each is run on a file and on a server.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod on_a_file {
            $(#[tokio::test]
            async fn $test() {
                let folder = tempfile::tempdir().unwrap();
                super::$test($crate::db::both::on_a_file(folder.path()).await).await;
            })*
        }

        mod on_a_server {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::db::both::on_a_server().await).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// An empty database in a folder.
pub(crate) async fn on_a_file(folder: &Path) -> Db {
    let file = Database::File(folder.join("spotter.db"));
    Store::open(&file).await.unwrap().db()
}

/// An empty database of the server that the tests share.
pub(crate) async fn on_a_server() -> Db {
    let options = Postgres::shared().new_database().await.parse().unwrap();
    let server = Server { options, lanes: 1, readers: 2, allow_unsafe: false, migrate: true };
    Store::open(&Database::Server(Box::new(server))).await.unwrap().db()
}
