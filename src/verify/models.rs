//! What an entity keeps in the read models, as its events make it, against what stands there.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use spotter_protocol::{EntityKind, UserId, Version};
use spotter_rules::{BestsRow, MessageRow, ReadRow, SetRow};
use uuid::Uuid;

use super::cells::{self, differences};
use super::{Report, Subject, history};
use crate::db::{Row, Transaction, json_list, query, query_each};
use crate::store::columns;

/// Messages read at once.
const ROWS: u32 = 500;

/// What stands in the read models of a session, besides its own row.
#[derive(Default)]
pub(super) struct Stored {
    pub(super) sets: Vec<Row>,
    pub(super) bests: Vec<Row>,
}

/// The rows that the events of an entity have made so far.
#[derive(Default)]
pub(super) struct Made {
    sets: BTreeMap<(String, Uuid), SetRow>,
    bests: BTreeMap<String, BestsRow>,
    /// Of each message its key and what its row comes to: all that is held of an inbox at once.
    messages: Vec<(Uuid, Version, u64)>,
    /// The newest event that wrote the session's row.
    phase: Version,
}

impl Made {
    /// Adds the rows of the event that led to `head`.
    pub(super) fn add(&mut self, subject: &Subject, head: Version, rows: Vec<ReadRow>) {
        for row in rows {
            match row {
                ReadRow::Session(_) => self.phase = head,
                ReadRow::Set(row) => {
                    self.sets.insert((row.exercise.as_str().to_owned(), row.set.0), row);
                }
                ReadRow::Bests(row) => {
                    self.bests.insert(row.bests.exercise.as_str().to_owned(), row);
                }
                ReadRow::Message(row) => {
                    self.messages.push((row.with.0, row.version, comes_to(subject, &row)));
                }
            }
        }
    }

    /// The newest version that wrote the session's row whatever else did.
    pub(super) fn phase(&self) -> Version {
        self.phase
    }

    /// Compares sets. Of an entity whose beginning is not in the journal only those are known that came later.
    pub(super) fn compare_sets(
        &self,
        subject: &Subject,
        stored: &[Row],
        is_whole: bool,
        report: &mut Report,
    ) -> sqlx::Result<()> {
        let mut missing: BTreeMap<_, _> = self.sets.iter().collect();
        for row in stored {
            let key = (row.get::<String>("exercise")?, row.get::<Uuid>("set_id")?);
            let named = |what| format!("set {} of {:?}: {what}", key.1, key.0);
            match missing.remove(&key) {
                Some(made) => {
                    if let Some(said) = differences(row, &cells::set(subject.gym, made))? {
                        subject.note(report, subject.stream, None, named(said));
                    }
                }
                None if is_whole => {
                    subject.note(report, subject.stream, None, named("a row that no event made".to_owned()));
                }
                None => {}
            }
        }
        for (exercise, set) in missing.into_keys() {
            subject.note(
                report,
                subject.stream,
                None,
                format!("set {set} of {exercise:?}: its row is missing"),
            );
        }
        Ok(())
    }

    /// Compares the bests of a session that is at rest. Where no set counts a row says as much as none.
    pub(super) fn compare_bests(
        &self,
        subject: &Subject,
        stored: &[Row],
        is_whole: bool,
        report: &mut Report,
    ) -> sqlx::Result<()> {
        let mut missing: BTreeMap<_, _> = self.bests.iter().filter(|(_, made)| made.span.is_some()).collect();
        for row in stored {
            let exercise: String = row.get("exercise")?;
            let said = match missing.remove(&exercise) {
                Some(made) => differences(row, &cells::bests(subject.gym, made))?,
                None if is_whole && row.get::<Option<i64>>("heaviest")?.is_some() => {
                    Some("a row that no event made".to_owned())
                }
                None => None,
            };
            if let Some(said) = said {
                subject.note(report, subject.stream, None, format!("the bests of {exercise:?}: {said}"));
            }
        }
        for exercise in missing.into_keys() {
            let what = format!("the bests of {exercise:?}: their row is missing");
            subject.note(report, subject.stream, None, what);
        }
        Ok(())
    }

    /// Compares messages: both lists in the order of the table's key, side by side.
    pub(super) async fn compare_messages(
        mut self,
        moment: &mut Transaction,
        subject: &Subject,
        is_whole: bool,
        report: &mut Report,
    ) -> sqlx::Result<()> {
        self.messages.sort_unstable();
        let mut made = self.messages.into_iter().peekable();
        let mut after = (Uuid::nil(), Version(0));
        loop {
            let rows = stored_messages(moment, subject.address.owner, after).await?;
            for row in &rows {
                let key = (row.get::<Uuid>("peer")?, history::version(row)?);
                after = key;
                while let Some((peer, version, _)) =
                    made.next_if(|(peer, version, _)| (*peer, *version) < key)
                {
                    is_missing(subject, peer, version, report);
                }
                let what = match made.next_if(|(peer, version, _)| (*peer, *version) == key) {
                    Some((.., should)) if should == stored_comes_to(row)? => continue,
                    Some(_) => "the row of the message differs from its event",
                    None if is_whole => "a row of a message that no event made",
                    None => continue,
                };
                let what = format!("{what}: with {}", key.0);
                subject.note(report, subject.stream, Some(key.1), what);
            }
            report.counts.messages += rows.len() as u64;
            if rows.len() < ROWS as usize {
                break;
            }
        }
        made.for_each(|(peer, version, _)| is_missing(subject, peer, version, report));
        Ok(())
    }
}

fn is_missing(subject: &Subject, peer: Uuid, version: Version, report: &mut Report) {
    subject.note(
        report,
        subject.stream,
        Some(version),
        format!("the row of the message is missing: with {peer}"),
    );
}

/// The rows of the sets and bests of sessions of one owner, by session.
pub(super) async fn stored(
    moment: &mut Transaction,
    subjects: &[Subject],
) -> sqlx::Result<HashMap<Uuid, Stored>> {
    let sessions = subjects.iter().map(|subject| subject.address);
    let sessions: Vec<_> = sessions.filter(|address| address.kind == EntityKind::Session).collect();
    let Some(UserId(owner)) = sessions.first().map(|address| address.owner) else {
        return Ok(HashMap::new());
    };
    macro_rules! of_sessions {
        ($table:literal) => {
            query_each(
                concat!(
                    "SELECT * FROM ",
                    $table,
                    " WHERE owner = $1 AND session IN (SELECT unhex(value) FROM json_each($2))"
                ),
                concat!(
                    "SELECT * FROM ",
                    $table,
                    " WHERE owner = $1
                         AND session IN (SELECT value::uuid FROM json_array_elements_text($2::json) AS given (value))"
                ),
            )
        };
    }
    let sessions = || json_list(sessions.iter().map(|address| address.id.simple().to_string().into()));
    let mut by_session: HashMap<Uuid, Stored> = HashMap::new();
    for row in of_sessions!("sets").bind(owner).bind(sessions()).fetch_all(&mut *moment).await? {
        by_session.entry(row.get("session")?).or_default().sets.push(row);
    }
    for row in of_sessions!("bests").bind(owner).bind(sessions()).fetch_all(moment).await? {
        by_session.entry(row.get("session")?).or_default().bests.push(row);
    }
    Ok(by_session)
}

/// The row of a session.
pub(super) async fn stored_session(moment: &mut Transaction, subject: &Subject) -> sqlx::Result<Option<Row>> {
    let row = query("SELECT * FROM sessions WHERE owner = $1 AND session = $2");
    row.bind(subject.address.owner.0).bind(subject.address.id).fetch_optional(moment).await
}

async fn stored_messages(
    moment: &mut Transaction,
    owner: UserId,
    after: (Uuid, Version),
) -> sqlx::Result<Vec<Row>> {
    let rows = query(
        "SELECT peer, version, message, gym, mine, text, about, at FROM messages
         WHERE owner = $1 AND (peer, version) > ($2, $3) ORDER BY peer, version LIMIT $4",
    );
    rows.bind(owner.0).bind(after.0).bind(columns::version(after.1)).bind(ROWS).fetch_all(moment).await
}

/// A number for all columns of a message's row besides its key.
fn comes_to(subject: &Subject, row: &MessageRow) -> u64 {
    let about = row.about.map(|about| about.to_string());
    hash(&(row.id.0, subject.gym.0, row.mine, row.text.as_str(), about, row.at.0))
}

fn stored_comes_to(row: &Row) -> sqlx::Result<u64> {
    let (message, gym): (Uuid, Uuid) = (row.get("message")?, row.get("gym")?);
    let (mine, text, about): (bool, String, Option<String>) =
        (row.get("mine")?, row.get("text")?, row.get("about")?);
    Ok(hash(&(message, gym, mine, text.as_str(), about, row.get::<i64>("at")?)))
}

fn hash(row: &(Uuid, Uuid, bool, &str, Option<String>, i64)) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}
