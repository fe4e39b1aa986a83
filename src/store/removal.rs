//! Removing what a closed gym has, some thousands of rows at a time, so that everybody else's commits get in between.
//! All of it is found by its people, in the order of their e-mails; each goes when nothing of theirs is left, and the
//! gym goes last. So a removal that was broken off goes on where it stands.

use std::collections::BTreeMap;

use spotter_actors::{Claim, Epoch, StoreError};
use spotter_protocol::{GymId, Shard, UserId};
use uuid::Uuid;

use super::{Kept, Store, failed, sqlite};
use crate::db::{Transaction, query, query_each};

/// Rows that one transaction takes away.
const ROWS_MAX: u32 = 2_000;
/// People whose things one transaction takes away.
const PEOPLE_MAX: usize = 32;
/// People looked at with one question.
const PAGE: usize = 512;

/// What became of a gym that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Nothing of it is left.
    Whole,
    /// Some of it is left: to be asked again.
    Partly,
    /// What is left is in shards that other nodes hold.
    OthersTurn,
    /// Nothing: there is no such gym, or it is not closed.
    Open,
    /// Nothing: this node does not hold the shards any more.
    Fenced,
}

/// A statement that takes some of the rows whose column has a value, in an order where one is given: in the words of a
/// file, by their key, and in those of a server, by where they lie.
macro_rules! some_of {
    ($table:literal, $whose:literal, $key:literal) => {
        some_of!($table, $whose, $key, "")
    };
    ($table:literal, $whose:literal, $key:literal, $order:literal) => {
        (
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $whose,
                " = $1 AND (",
                $key,
                ") IN (SELECT ",
                $key,
                " FROM ",
                $table,
                " WHERE ",
                $whose,
                " = $1 ",
                $order,
                " LIMIT $2)"
            ),
            concat!(
                "DELETE FROM ",
                $table,
                " WHERE ",
                $whose,
                " = $1 AND ctid = ANY (ARRAY (SELECT ctid FROM ",
                $table,
                " WHERE ",
                $whose,
                " = $1 ",
                $order,
                " LIMIT $2))"
            ),
        )
    };
}

/// The same in the words of either database.
type Each = (&'static str, &'static str);

/// What an entity has in a stream, and then the entity. The last row of a stream goes last: one that was left is found by
/// it.
const OF_A_STREAM: [Each; 3] = [
    some_of!("journal", "stream", "version", "ORDER BY version"),
    some_of!("snapshots", "stream", "stream"),
    some_of!("entities", "stream", "stream"),
];

/// The streams of an owner's entities. Locked: an archive may be moving one of them just now.
const STREAMS: Each = (
    "SELECT stream FROM entities WHERE owner = $1 LIMIT $2",
    "SELECT stream FROM entities WHERE owner = $1 LIMIT $2 FOR UPDATE",
);

/// The streams that they have left: the seal at the end of each is in the owner's name.
const LEFT_STREAMS: Each = {
    let left = "SELECT stream FROM journal WHERE kind = 'moved' AND author = $1 LIMIT $2";
    (left, left)
};

/// What is kept beside an owner's entities, and the account last.
const OF_AN_OWNER: [Each; 10] = [
    some_of!("sets", "owner", "exercise, session, set_id"),
    some_of!("bests", "owner", "exercise, session"),
    some_of!("sessions", "owner", "session"),
    some_of!("messages", "owner", "peer, version"),
    some_of!("reminders", "owner", "kind, id"),
    some_of!("letters", "recipient", "id"),
    some_of!("links", "coach", "id"),
    some_of!("links", "athlete", "id"),
    some_of!("refresh_tokens", "\"user\"", "hash"),
    some_of!("users", "id", "id"),
];

/// What belongs to a gym and to nobody in it, and the gym last. Dead letters are few enough to be looked through.
const OF_A_GYM: [Each; 4] = [
    some_of!("workouts", "gym", "id, revision"),
    some_of!("dead_letters", "gym", "id"),
    some_of!("links", "gym", "id"),
    some_of!("gyms", "id", "id"),
];

impl Store {
    /// Removes some of a closed gym, as the holder of `claim`. None of its entities may be awake. Months that were
    /// archived are not looked for.
    ///
    /// # Errors
    /// When the store does not answer: whether something was removed is unknown.
    pub async fn remove_some(&self, claim: &Claim, gym: GymId) -> Result<Removed, StoreError> {
        self.remove_portion(claim, gym).await.map_err(failed)
    }

    async fn remove_portion(&self, claim: &Claim, gym: GymId) -> sqlx::Result<Removed> {
        let mut transaction = self.db.write().await?;
        let closed = query("SELECT 1 FROM gyms WHERE id = $1 AND closed_at IS NOT NULL").bind(gym.0);
        if closed.fetch_optional(&mut transaction).await?.is_none() {
            return Ok(Removed::Open);
        }
        let People { mut mine, others } = people(&mut transaction, claim, gym).await?;
        let is_end = !others && mine.len() < PEOPLE_MAX;
        // The gym stands for the owner of the room it shares, and goes with the last of its people.
        let is_last = is_end && is_held(claim, UserId(gym.0));
        if mine.is_empty() && !is_last {
            return Ok(Removed::OthersTurn);
        }
        mine.extend(is_last.then_some(UserId(gym.0)));
        let owners = mine;
        if !self.holds(&mut transaction, claim, &owners).await? {
            return Ok(Removed::Fenced);
        }
        let mut portion = Portion { transaction, rows_left: ROWS_MAX };
        for owner in owners {
            portion.take_owner(owner).await?;
        }
        if is_last {
            portion.take_each(&OF_A_GYM, gym.0).await?;
        }
        let is_whole = is_last && portion.rows_left > 0;
        portion.transaction.commit().await?;
        Ok(if is_whole { Removed::Whole } else { Removed::Partly })
    }

    /// Whether the shards of `owners` are held under `claim`. They are then, until the transaction ends.
    async fn holds(
        &self,
        transaction: &mut Transaction,
        claim: &Claim,
        owners: &[UserId],
    ) -> sqlx::Result<bool> {
        let shards = owners.iter().map(|owner| Shard::of(*owner));
        let shards: Option<BTreeMap<Shard, Epoch>> =
            shards.map(|shard| Some((shard, claim.epoch(shard)?))).collect();
        let Some(shards) = shards else { return Ok(false) };
        match (&self.kept, transaction) {
            (Kept::File(_), Transaction::Sqlite(transaction)) => {
                let shards: Vec<_> =
                    shards.into_iter().map(|(shard, epoch)| (shard.number(), epoch)).collect();
                sqlite::holds(transaction, claim.node, &shards).await
            }
            (Kept::Server { connections, tenure: Some(tenure) }, Transaction::Postgres(transaction)) => {
                connections.holds(transaction, tenure, claim.node, &shards).await
            }
            (Kept::File(_) | Kept::Server { .. }, Transaction::Sqlite(_) | Transaction::Postgres(_)) => {
                Ok(false)
            }
        }
    }
}

fn is_held(claim: &Claim, owner: UserId) -> bool {
    claim.epoch(Shard::of(owner)).is_some()
}

/// Some of the people of a gym.
#[derive(Default)]
struct People {
    /// In shards that are claimed.
    mine: Vec<UserId>,
    /// Whether there are any in others.
    others: bool,
}

/// The first people of a gym in shards that are claimed.
async fn people(transaction: &mut Transaction, claim: &Claim, gym: GymId) -> sqlx::Result<People> {
    let (mut people, mut last) = (People::default(), String::new());
    loop {
        let page = query("SELECT id, email FROM users WHERE gym = $1 AND email > $2 ORDER BY email LIMIT $3");
        let page = page.bind(gym.0).bind(last.as_str()).bind(i64::try_from(PAGE).unwrap_or(i64::MAX));
        let page = page.fetch_all(&mut *transaction).await?;
        for row in &page {
            let user = UserId(row.get("id")?);
            if !is_held(claim, user) {
                people.others = true;
            } else if people.mine.len() < PEOPLE_MAX {
                people.mine.push(user);
            }
        }
        match page.last() {
            Some(row) if page.len() == PAGE && people.mine.len() < PEOPLE_MAX => last = row.get("email")?,
            Some(_) | None => return Ok(people),
        }
    }
}

/// A transaction that may take so many rows away. When none are left to take, something may be left of what was looked
/// at; before, nothing is.
struct Portion {
    transaction: Transaction,
    rows_left: u32,
}

impl Portion {
    async fn take_owner(&mut self, owner: UserId) -> sqlx::Result<()> {
        for which in [STREAMS, LEFT_STREAMS] {
            for stream in self.streams(which, owner).await? {
                self.take_each(&OF_A_STREAM, stream).await?;
            }
        }
        self.take_each(&OF_AN_OWNER, owner.0).await
    }

    /// Streams of an owner: as many as there are rows left to take, since each has one at least.
    async fn streams(&mut self, (sqlite, postgres): Each, owner: UserId) -> sqlx::Result<Vec<Uuid>> {
        if self.rows_left == 0 {
            return Ok(Vec::new());
        }
        let streams = query_each(sqlite, postgres).bind(owner.0).bind(self.rows_left);
        let rows = streams.fetch_all(&mut self.transaction).await?;
        rows.iter().map(|row| row.get("stream")).collect()
    }

    /// Takes what each statement finds of `whose`, one after another.
    async fn take_each(&mut self, statements: &[Each], whose: Uuid) -> sqlx::Result<()> {
        for (sqlite, postgres) in statements {
            if self.rows_left == 0 {
                break;
            }
            let some = query_each(sqlite, postgres).bind(whose).bind(self.rows_left);
            let taken = some.execute(&mut self.transaction).await?;
            self.rows_left = self.rows_left.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::db::Db;
    use crate::db::both::on_both;

    use super::*;

    on_both! {
        whatever_goes_is_found_by_a_key
    }

    /// How the database would run a statement about somebody.
    async fn plan(db: &Db, (sqlite, postgres): Each) -> String {
        let explain = |how: &str, statement: &str| -> &'static str { format!("{how} {statement}").leak() };
        let mut moment = db.write().await.unwrap();
        let by_key = query_each("SELECT 1", "SELECT set_config('enable_seqscan', 'off', true)");
        by_key.execute(&mut moment).await.unwrap();
        let plan = query_each(explain("EXPLAIN QUERY PLAN", sqlite), explain("EXPLAIN", postgres));
        let column = match moment {
            Transaction::Sqlite(_) => "detail",
            Transaction::Postgres(_) => "QUERY PLAN",
        };
        let plan = plan.bind(Uuid::nil()).bind(1_i64).fetch_all(&mut moment).await.unwrap();
        let lines: Vec<String> = plan.iter().map(|line| line.get(column).unwrap()).collect();
        lines.join("\n")
    }

    async fn whatever_goes_is_found_by_a_key(db: Db) {
        let statements =
            OF_A_STREAM.into_iter().chain([STREAMS, LEFT_STREAMS]).chain(OF_AN_OWNER).chain(OF_A_GYM);
        for each in statements.filter(|(text, _)| !text.contains("dead_letters")) {
            let plan = plan(&db, each).await;
            assert!(!plan.contains("SCAN ") && !plan.contains("Seq Scan"), "{each:?}\n{plan}");
        }
    }
}
