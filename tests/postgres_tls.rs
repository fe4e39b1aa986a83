//! A PostgreSQL that is reached by TLS: who is trusted, by which name, and that nothing is sent in the clear.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/store.rs"]
mod store;

use std::error::Error;
use std::io::Write;
use std::sync::OnceLock;

use pem::Pem;
use postgres::Postgres;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use spotter::db;
use spotter::store::{Database, OpenError, Store};
use spotter_actors::Journal;
use spotter_protocol::{GymId, UserId};
use tempfile::NamedTempFile;
use uuid::Uuid;

/// A server that takes nobody without TLS, and the certificate of whoever signed its own: that names `localhost`.
struct Secured {
    postgres: Postgres,
    authority: Pem,
}

impl Secured {
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Secured> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (authority, key) = (an_authority("ours"), KeyPair::generate().unwrap());
            let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            let certificate = certificate.signed_by(&key, &authority).unwrap();
            let certificate = Pem::new("CERTIFICATE", certificate.der().to_vec()).to_string();
            let key = Pem::new("PRIVATE KEY", key.serialize_der()).to_string();
            Self {
                postgres: Postgres::start_with_tls(&certificate, &key),
                authority: certificate_of(&authority),
            }
        })
    }

    /// It, called `host` and looked at as `mode` says by who trusts what is in `trusted`.
    fn called(&self, host: &str, mode: &str, trusted: &NamedTempFile) -> Database {
        let (port, trusted) = (self.postgres.port(), trusted.path().display());
        store::server(&format!(
            "postgres://spotter:secret@{host}:{port}/postgres?sslmode={mode}&sslrootcert={trusted}"
        ))
    }

    fn authority(&self) -> NamedTempFile {
        file(&self.authority)
    }
}

fn an_authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certificate_of(authority: &CertifiedIssuer<'_, KeyPair>) -> Pem {
    Pem::new("CERTIFICATE", authority.der().to_vec())
}

fn file(certificate: &Pem) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certificate.to_string().as_bytes()).unwrap();
    file
}

/// All that a refusal says, as the program prints it.
async fn refusal(database: &Database) -> (OpenError, String) {
    let refused = Store::open(database).await.unwrap_err();
    let mut said = refused.to_string();
    let mut source = refused.source();
    while let Some(error) = source {
        said.push_str(&format!(": {error}"));
        source = error.source();
    }
    assert!(!said.contains("secret") && !format!("{refused:?}").contains("secret"), "{said}");
    (refused, said)
}

#[tokio::test]
async fn every_connection_is_encrypted_to_a_server_that_proves_its_name() {
    let (server, authority) = (Secured::shared(), Secured::shared().authority());
    let database = server.called("localhost", "verify-full", &authority);

    let (store, claim) = Store::open_serving(&database, "here").await.unwrap();

    // Something of each kind of connection there is.
    store.commit(claim.node, &[]).await.unwrap();
    store.running(GymId(Uuid::nil()), &[UserId(Uuid::nil())]).await.unwrap();
    store.db().write().await.unwrap().commit().await.unwrap();
    let connections = db::query(
        "SELECT count(*) AS connections, count(*) FILTER (WHERE ssl AND version = 'TLSv1.3') AS encrypted
         FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE backend_type = 'client backend'",
    );
    let connections = connections.fetch_one(&store.db().reader).await.unwrap();
    let count = |column| connections.get::<i64>(column).unwrap();
    assert!(count("connections") >= 4, "{}", count("connections"));
    assert_eq!(count("encrypted"), count("connections"));
    store.close().await;
}

#[tokio::test]
async fn a_server_that_somebody_else_vouches_for_is_refused() {
    let server = Secured::shared();
    let other = file(&certificate_of(&an_authority("somebody else")));
    for mode in ["verify-full", "verify-ca"] {
        let (refused, said) = refusal(&server.called("localhost", mode, &other)).await;

        assert!(matches!(refused, OpenError::Tls { .. }), "{refused:?}");
        assert!(
            said.contains(&format!("postgres://localhost:{}/postgres", server.postgres.port())),
            "{said}"
        );
        assert!(said.contains("UnknownIssuer"), "{said}");
    }
    Store::open(&server.called("localhost", "require", &other)).await.unwrap();
}

#[tokio::test]
async fn a_name_that_the_certificate_does_not_have_is_refused_where_names_count() {
    let (server, authority) = (Secured::shared(), Secured::shared().authority());

    let (refused, said) = refusal(&server.called("127.0.0.1", "verify-full", &authority)).await;

    assert!(matches!(refused, OpenError::Tls { .. }), "{refused:?}");
    assert!(said.contains("postgres://127.0.0.1:") && said.contains("not valid for name"), "{said}");
    Store::open(&server.called("127.0.0.1", "verify-ca", &authority)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_wants_tls_says_so_to_who_comes_without() {
    let (server, authority) = (Secured::shared(), Secured::shared().authority());

    let (refused, said) = refusal(&server.called("localhost", "disable", &authority)).await;

    assert!(matches!(refused, OpenError::Server { .. }), "{refused:?}");
    assert!(said.contains("postgres://localhost:") && said.contains("no encryption"), "{said}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_asked_for() {
    let url = Postgres::shared().new_database().await.replace("sslmode=disable", "sslmode=require");

    let (refused, said) = refusal(&store::server(&url)).await;

    assert!(matches!(refused, OpenError::Tls { .. }), "{refused:?}");
    assert!(said.contains("does not support TLS"), "{said}");
}

#[tokio::test]
async fn certificates_that_are_not_there_are_missed_by_name() {
    let (server, authority) = (Secured::shared(), Secured::shared().authority());
    let database = server.called("localhost", "verify-full", &authority);
    drop(authority);

    let (refused, said) = refusal(&database).await;

    assert!(matches!(refused, OpenError::Tls { .. }), "{refused:?}");
    assert!(said.contains("sslrootcert"), "{said}");
}
