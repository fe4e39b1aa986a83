//! One entity: its versions one after another through all its streams, its state after each, and what is kept beside
//! the journal.

use std::panic::{AssertUnwindSafe, catch_unwind};

use spotter_actors::EventRow;
use spotter_protocol::{EntityKind, JournalError, Recorded, StreamId, Version};
use spotter_rules::{Entity, ReadRow, Rules, SessionRow};

use super::cells::{self, differences};
use super::history::{self, Line, SEAL};
use super::models::{self, Made, Stored};
use super::{Finding, Report, Subject};
use crate::db::{Row, Transaction};

impl Subject {
    /// Notes what is wrong with it.
    pub(super) fn note(
        &self,
        report: &mut Report,
        stream: StreamId,
        version: Option<Version>,
        what: impl Into<String>,
    ) {
        let (address, stream) = (Some(self.address), Some(stream));
        report.note(Finding { address, stream, version, what: what.into() });
    }
}

/// A walk along the journal of an entity.
struct Walk<'a, S: Rules> {
    subject: &'a Subject,
    report: &'a mut Report,
    /// The version that comes next.
    next: Version,
    /// The highest epoch so far.
    epoch: i64,
    /// The state so far; none once an event was missing or could not be read.
    entity: Option<Entity<S>>,
    /// Whether all events are there, from the first.
    is_whole: bool,
    /// Whether a snapshot stands for the first events.
    is_covered: bool,
    made: Made,
    session: Option<Row>,
    /// The version of the first event in the stream that the entity is in.
    first: Option<Version>,
}

/// Checks an entity. `stored` is what is kept beside a session.
pub(super) async fn check<S: Rules>(
    moment: &mut Transaction,
    subject: &Subject,
    stored: Stored,
    report: &mut Report,
) -> sqlx::Result<()> {
    let is_session = S::KIND == EntityKind::Session;
    let session = if is_session { models::stored_session(moment, subject).await? } else { None };
    let streams = history::streams(moment, subject, report).await?;
    let mut walk = Walk::<S> {
        subject,
        report,
        next: Version(1),
        epoch: 0,
        entity: Some(Entity::default()),
        is_whole: true,
        is_covered: false,
        made: Made::default(),
        session,
        first: None,
    };
    for (place, stream) in streams.iter().enumerate() {
        walk.stream(moment, *stream, streams.get(place + 1).copied()).await?;
    }
    walk.end(moment, &stored).await
}

impl<S: Rules> Walk<'_, S> {
    fn note(&mut self, stream: StreamId, version: Version, what: impl Into<String>) {
        self.subject.note(self.report, stream, Some(version), what);
    }

    /// Reads a stream to its end, which is a seal when another follows.
    async fn stream(
        &mut self,
        moment: &mut Transaction,
        stream: StreamId,
        follows: Option<StreamId>,
    ) -> sqlx::Result<()> {
        let (mut since, mut is_sealed) = (Version(0), false);
        loop {
            let rows = history::rows(moment, stream, since).await?;
            for Line { epoch, event } in &rows {
                let version = event.version;
                since = version;
                if is_sealed {
                    self.note(stream, version, "an event beyond the seal of the stream");
                    continue;
                }
                self.place(stream, event);
                self.epoch(stream, version, *epoch);
                if event.kind == SEAL {
                    is_sealed = true;
                    let leads_on = follows.is_some_and(|next| event.body == next.0.as_bytes());
                    if !leads_on {
                        let what = match follows {
                            Some(_) => "the seal names another stream than the one that follows",
                            None => "the stream that the entity is in is sealed",
                        };
                        self.note(stream, version, what);
                    }
                    continue;
                }
                if stream == self.subject.stream {
                    self.first.get_or_insert(version);
                }
                self.report.counts.events += 1;
                self.next = version.next();
                match Recorded::<S::Event>::read(version, event.stamp, &event.kind, event.schema, &event.body)
                {
                    Ok(recorded) => self.apply(stream, &recorded)?,
                    Err(error) => {
                        self.lose();
                        self.note(stream, version, error_chain(&error));
                    }
                }
            }
            if !history::is_full(&rows) {
                return Ok(());
            }
        }
    }

    /// Compares a version with the one that has to come.
    fn place(&mut self, stream: StreamId, event: &EventRow) {
        let (next, version) = (self.next, event.version);
        if version == next {
            return;
        }
        if next == Version(1) && begins_whole::<S>(event) {
            // The streams before it were taken away with their months: it is known from here.
            return self.lose();
        }
        if next == Version(1) && self.may_lack(version) {
            return;
        }
        if version > next {
            self.note(stream, next, format!("versions {} to {} are missing", next.0, version.0 - 1));
        } else {
            self.note(stream, version, format!("the versions go back: {} was to follow", next.0));
        }
        self.lose();
    }

    /// The state is not known from here, until an event holds the entity whole.
    fn lose(&mut self) {
        (self.entity, self.is_whole) = (None, false);
    }

    /// Whether the events before `version`, or all that there are, may be absent: a snapshot that can be read stands
    /// for exactly them, and the walk goes on from it. (Whole streams may be absent before one that begins with the
    /// entity whole.)
    fn may_lack(&mut self, version: Version) -> bool {
        let snapshot = self.subject.snapshot.as_ref().filter(|snapshot| snapshot.version.next() == version);
        let Some(entity) = snapshot.and_then(|one| Entity::from_stored(one.schema, &one.body)) else {
            return false;
        };
        (self.entity, self.is_whole, self.is_covered) = (Some(entity), false, true);
        true
    }

    /// Epochs never go back, and none is above the shard's.
    fn epoch(&mut self, stream: StreamId, version: Version, epoch: i64) {
        if epoch < self.epoch {
            self.note(
                stream,
                version,
                format!("its epoch {epoch} is below {}, that of an earlier event", self.epoch),
            );
        }
        if epoch > self.subject.epoch {
            self.note(
                stream,
                version,
                format!("its epoch {epoch} is above {}, that of the shard", self.subject.epoch),
            );
        }
        self.epoch = self.epoch.max(epoch);
    }

    /// Folds in an event, and looks at what has to be true just after it.
    fn apply(&mut self, stream: StreamId, recorded: &Recorded<S::Event>) -> sqlx::Result<()> {
        let version = recorded.version;
        let rebased = S::rebased(&recorded.event).map(|rebased| {
            Entity::<S>::from_stored(rebased.form, &rebased.entity).filter(|one| one.head() == version)
        });
        let Some(mut entity) = self.entity.take() else {
            // What follows an event that holds the entity whole can be judged again.
            self.entity = rebased.flatten();
            return Ok(());
        };
        let taken = catch_unwind(AssertUnwindSafe(|| {
            entity.apply(recorded);
            entity
        }));
        let Ok(entity) = taken else {
            self.lose();
            self.note(stream, version, "the rules cannot take this event after those before it");
            return Ok(());
        };
        match rebased {
            Some(None) => self.note(stream, version, "the entity that begins the stream cannot be read"),
            Some(Some(rebased)) if rebased != entity => {
                self.note(stream, version, "the stream does not begin with the entity as it was");
            }
            Some(Some(_)) | None => {}
        }
        let id = self.subject.address.id;
        let rows = entity.state().rows(id, version, std::slice::from_ref(recorded));
        self.made.add(self.subject, version, rows);
        if stream == self.subject.stream {
            self.compare_snapshot(stream, &entity);
        }
        self.compare_session(stream, &entity)?;
        self.entity = Some(entity);
        Ok(())
    }

    /// Compares the snapshot with the state at its version.
    fn compare_snapshot(&mut self, stream: StreamId, entity: &Entity<S>) {
        let snapshot = self.subject.snapshot.as_ref();
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.version == entity.head()) else { return };
        match Entity::<S>::from_stored(snapshot.schema, &snapshot.body) {
            Some(stored) if stored != *entity => {
                self.note(stream, snapshot.version, "the snapshot is not the entity as it was then");
            }
            None if snapshot.schema == S::FORM => {
                self.note(
                    stream,
                    snapshot.version,
                    "the snapshot has the form of this build and cannot be read",
                );
            }
            // Another form is thrown away where the entity wakes.
            Some(_) | None => {}
        }
    }

    /// Compares the row of a session with the state at its version.
    fn compare_session(&mut self, stream: StreamId, entity: &Entity<S>) -> sqlx::Result<()> {
        let Some(row) = &self.session else { return Ok(()) };
        let version = history::version(row)?;
        if version != entity.head() {
            return Ok(());
        }
        let Some(made) = session_row(entity, self.subject) else { return Ok(()) };
        if let Some(said) = differences(row, &cells::session(self.subject.gym, &made))? {
            self.note(stream, version, format!("the session's row: {said}"));
        }
        Ok(())
    }

    /// Looks at what has to be true at the head.
    async fn end(mut self, moment: &mut Transaction, stored: &Stored) -> sqlx::Result<()> {
        let (subject, stream) = (self.subject, self.subject.stream);
        self.report.counts.sets += stored.sets.len() as u64;
        let after_snapshot = subject.snapshot.as_ref().map(|snapshot| snapshot.version.next());
        match self.first {
            Some(first) if first != subject.first && !self.is_covered => {
                let what = format!(
                    "the stream begins with this version, and by the entity's row with {}",
                    subject.first.0
                );
                self.note(stream, first, what);
            }
            Some(_) => {}
            None => match after_snapshot.filter(|after| self.next == Version(1) && self.may_lack(*after)) {
                Some(after) => self.next = after,
                None => self.note(stream, subject.first, "the stream that the entity is in has no events"),
            },
        }
        let head = Version(self.next.0 - 1);
        if let Some(snapshot) = &subject.snapshot
            && !(subject.first..=head).contains(&snapshot.version)
        {
            let what = format!(
                "the snapshot is of this version, and the stream holds {} to {}",
                subject.first.0, head.0
            );
            self.note(stream, snapshot.version, what);
        }
        let Some(entity) = self.entity.take() else { return Ok(()) };
        let what = match (entity.state().reminder(), subject.reminder) {
            (Some(_), None) => Some("no reminder, and something will be due"),
            (Some(wish), Some(at)) if at > wish => Some("the reminder rings after something is due"),
            (None, Some(_)) => Some("a reminder, and nothing will be due"),
            (Some(_), Some(_)) | (None, None) => None,
        };
        if let Some(what) = what {
            self.note(stream, head, what);
        }
        if S::KIND == EntityKind::Session {
            let at = self.session.as_ref().map(history::version).transpose()?;
            match at {
                None => self.note(stream, head, "the session's row is missing"),
                Some(at) if at > head || at < self.made.phase() => {
                    let what = format!(
                        "the session's row is of this version, and should be of {} to {}",
                        self.made.phase().0,
                        head.0
                    );
                    self.note(stream, at, what);
                }
                Some(_) => {}
            }
        }
        let Self { report, made, is_whole, .. } = self;
        made.compare_sets(subject, &stored.sets, is_whole, report)?;
        if session_row(&entity, subject).is_some_and(|row| !row.phase.is_running()) {
            made.compare_bests(subject, &stored.bests, is_whole, report)?;
        }
        if S::KIND == EntityKind::Inbox {
            made.compare_messages(moment, subject, is_whole, report).await?;
        }
        Ok(())
    }
}

/// The row of a session as its state makes it.
fn session_row<S: Rules>(entity: &Entity<S>, subject: &Subject) -> Option<SessionRow> {
    let rows = entity.state().rows(subject.address.id, entity.head(), &[]);
    rows.into_iter().find_map(|row| if let ReadRow::Session(row) = row { Some(row) } else { None })
}

/// Whether an event holds the entity whole, so that nothing before it is needed.
fn begins_whole<S: Rules>(event: &EventRow) -> bool {
    let EventRow { version, stamp, kind, schema, body } = event;
    let read = Recorded::<S::Event>::read(*version, *stamp, kind, *schema, body);
    read.is_ok_and(|recorded| S::rebased(&recorded.event).is_some())
}

/// An error with what caused it.
fn error_chain(error: &JournalError) -> String {
    match error {
        JournalError::Body { source, .. } => format!("{error}: {source}"),
        JournalError::Unknown { .. } => error.to_string(),
    }
}
