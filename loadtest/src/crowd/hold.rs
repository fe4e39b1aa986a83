//! One of the processes that hold connections. It is told on standard input, a line each, and answers each line with one:
//! first who its people are, up to an empty line; then `log`, `visit`, `more N` and `lost`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use futures_util::future::try_join_all;
use spotter_protocol::Address;
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

use crate::athlete::Athlete;
use crate::results::Verdict;
use crate::server::Person;

/// People who come at once.
const AT_ONCE: usize = 16;
/// People who come and go so that the node has warmed up.
const VISITS: usize = 200;

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Hold {
    /// Where the node's socket is
    socket: String,
}

/// Holds connections as it is told, until standard input ends.
///
/// # Errors
/// When somebody cannot connect, or an order is none.
pub(crate) async fn hold(asked: &Hold) -> anyhow::Result<Verdict> {
    let mut orders = BufReader::new(stdin()).lines();
    let mut people = Vec::new();
    while let Some(line) = orders.next_line().await?.filter(|line| !line.is_empty()) {
        let (user, token) = line.split_once(' ').context("a person is a user and a token")?;
        people.push(Person { user: user.parse()?, token: token.to_owned(), pass: None });
    }
    let mut held =
        Held { socket: asked.socket.clone(), people, sessions: Vec::new(), here: 0, lost: Arc::default() };
    println!("{}", held.people.len());
    while let Some(order) = orders.next_line().await? {
        match (order.as_str(), order.strip_prefix("more ")) {
            ("log", _) => held.log().await?,
            ("visit", _) => held.visit().await?,
            ("lost", _) => {}
            (_, Some(more)) => held.more(more.parse()?).await?,
            (_, None) => bail!("{order:?} is no order"),
        }
        println!("{}", held.lost.load(Ordering::Relaxed));
    }
    Ok(Verdict::Passed)
}

struct Held {
    socket: String,
    people: Vec<Person>,
    /// One of each person.
    sessions: Vec<Address>,
    /// How many of the people have come to stay.
    here: usize,
    /// How many of their connections have ended.
    lost: Arc<AtomicUsize>,
}

impl Held {
    /// Everybody comes, starts a session and goes.
    async fn log(&mut self) -> anyhow::Result<()> {
        for some in self.people.chunks(AT_ONCE) {
            let sessions = some.iter().map(async |person| {
                let mut athlete = Athlete::at(&self.socket, person).await?;
                athlete.log(1).await?;
                anyhow::Ok(athlete.session)
            });
            let sessions = try_join_all(sessions).await?;
            self.sessions.extend(sessions);
        }
        Ok(())
    }

    /// Some come, look at their session and go.
    async fn visit(&self) -> anyhow::Result<()> {
        for (person, session) in self.people.iter().zip(&self.sessions).take(VISITS) {
            Athlete::at(&self.socket, person).await?.follow(*session).await?;
        }
        Ok(())
    }

    /// So many more come and stay, as far as there are any.
    async fn more(&mut self, more: usize) -> anyhow::Result<()> {
        let until = (self.here + more).min(self.people.len());
        while self.here < until {
            let next = self.here..until.min(self.here + AT_ONCE);
            let come = self.people[next.clone()].iter().zip(&self.sessions[next.clone()]);
            let come = come.map(async |(person, session)| {
                let mut athlete = Athlete::at(&self.socket, person).await?;
                athlete.follow(*session).await?;
                anyhow::Ok(athlete)
            });
            for mut athlete in try_join_all(come).await? {
                let lost = Arc::clone(&self.lost);
                tokio::spawn(async move {
                    while athlete.wire.next().await.is_ok() {}
                    lost.fetch_add(1, Ordering::Relaxed);
                });
            }
            self.here = next.end;
        }
        Ok(())
    }
}
