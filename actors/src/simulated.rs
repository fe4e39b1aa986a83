//! A journal in memory, with the stores' own rules and faults on demand: what the engine is tested on. The
//! contract suite runs over it as over the real ones, so that it stays honest.

mod claims;
mod dead_letters;
mod faults;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use spotter_protocol::{
    Address, Bests, CommandId, ExerciseId, GymId, SHARDS, SessionId, SetId, StreamId, Timestamp, UserId,
    Version, Workout,
};
use spotter_rules::{Brief, Needs, ReadRow, SessionRow, SetRow};
use uuid::Uuid;

use self::claims::Held;
pub use self::faults::CommitFault;
use crate::{
    Append, DeadLetter, DeadLetterId, Epoch, EventRow, Journal, LetterId, LetterRow, Library, Opening,
    Outcome, Remind, Reminder, Resident, SnapshotRow, SnapshotWrite, StoreError, Stored,
};

/// Sees everything that happens to a journal in the moment it happens, before anybody else can.
pub trait Witness: fmt::Debug + Send + Sync {
    /// The shard of this number was claimed under a new epoch.
    fn claimed(&self, shard: u16, epoch: Epoch);

    /// An append was written. Not called for one that was offered again.
    fn written(&self, append: &Append);
}

/// The journal and library of a simulation.
#[derive(Debug)]
pub struct SimulatedJournal {
    stored: Mutex<Tables>,
    /// What [`SimulatedJournal::roll_back`] goes back to.
    remembered: Mutex<Option<Tables>>,
}

#[derive(Clone, Debug, Default)]
struct Tables {
    /// How often the store went back to an earlier state of itself.
    timeline: u32,
    shards: Vec<Held>,
    entities: BTreeMap<Address, (GymId, StreamId, Version)>,
    journal: BTreeMap<(StreamId, Version), EventRow>,
    snapshots: BTreeMap<StreamId, SnapshotRow>,
    sessions: BTreeMap<(UserId, SessionId), (GymId, SessionRow)>,
    sets: BTreeMap<(UserId, SessionId, SetId), SetRow>,
    letters: BTreeMap<LetterId, (GymId, LetterRow)>,
    next_letter: i64,
    reminders: BTreeMap<Address, (GymId, Timestamp)>,
    dead_letters: BTreeMap<DeadLetterId, DeadLetter>,
    faults: VecDeque<CommitFault>,
    /// Entities that cannot be read.
    spoiled: BTreeSet<Address>,
    refused: BTreeSet<CommandId>,
    witness: Option<Arc<dyn Witness>>,
    workouts: Vec<(GymId, Workout)>,
    bests: BTreeMap<(UserId, ExerciseId), Bests>,
    rosters: BTreeMap<(GymId, UserId), Vec<UserId>>,
}

impl Default for SimulatedJournal {
    fn default() -> Self {
        Self { stored: Mutex::new(Tables::empty()), remembered: Mutex::default() }
    }
}

impl SimulatedJournal {
    /// Lets `witness` see everything from now on.
    pub fn be_seen_by(&self, witness: Arc<dyn Witness>) {
        self.stored().witness = Some(witness);
    }

    /// Refuses every append with an event of `command`, as for what its rows hold.
    pub fn refuse(&self, command: CommandId) {
        self.stored().refused.insert(command);
    }

    /// Puts a revision into a gym's library.
    pub fn add_workout(&self, gym: GymId, workout: Workout) {
        self.stored().workouts.push((gym, workout));
    }

    /// Sets what an athlete did best in an exercise, whatever the moment.
    pub fn set_bests(&self, athlete: UserId, bests: Bests) {
        self.stored().bests.insert((athlete, bests.exercise.clone()), bests);
    }

    /// Sets the roster of a coach, or of the gym itself.
    pub fn set_roster(&self, gym: GymId, owner: UserId, athletes: Vec<UserId>) {
        self.stored().rosters.insert((gym, owner), athletes);
    }

    /// All events of an entity, through every stream that it has left, oldest first.
    pub fn history(&self, gym: GymId, address: Address) -> Vec<EventRow> {
        let stored = self.stored();
        let leads_to = |stream: StreamId| {
            let mut all = stored.journal.iter();
            all.find(|(_, row)| is_seal(row) && row.body == stream.0.as_bytes()).map(|((left, _), _)| *left)
        };
        let newest = stored.stream(gym, address).map(|(stream, _)| stream);
        let mut streams: Vec<StreamId> = std::iter::successors(newest, |stream| leads_to(*stream)).collect();
        streams.reverse();
        let events = streams.into_iter().flat_map(|stream| stored.after(stream, Version(0)));
        events.filter(|row| !is_seal(row)).cloned().collect()
    }

    /// Takes away every stream before `boundary` that no entity is in, as an archive does.
    pub fn take_away(&self, boundary: StreamId) {
        let mut stored = self.stored();
        let current: BTreeSet<StreamId> = stored.entities.values().map(|(_, stream, _)| *stream).collect();
        stored.journal.retain(|(stream, _), _| *stream >= boundary || current.contains(stream));
    }

    /// The rows of an owner's sets, in the order of their keys.
    pub fn sets_of(&self, owner: UserId) -> Vec<SetRow> {
        let stored = self.stored();
        let mine = stored.sets.iter().filter(|((whose, _, _), _)| *whose == owner);
        mine.map(|(_, row)| row.clone()).collect()
    }

    fn stored(&self) -> MutexGuard<'_, Tables> {
        // A test that panicked while holding the tables has failed already.
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_seal(row: &EventRow) -> bool {
    row.kind == "moved"
}

impl Tables {
    fn empty() -> Self {
        Self { shards: vec![Held::default(); usize::from(SHARDS)], ..Self::default() }
    }

    fn stream(&self, gym: GymId, address: Address) -> Option<(StreamId, Version)> {
        let known = self.entities.get(&address).filter(|(home, ..)| *home == gym);
        known.map(|(_, stream, first)| (*stream, *first))
    }

    fn load(&self, gym: GymId, address: Address) -> Option<Stored> {
        let (stream, first) = self.stream(gym, address)?;
        let snapshot = self.snapshots.get(&stream).cloned();
        let since = snapshot.as_ref().map_or(Version(0), |snapshot| snapshot.version);
        let tail = self.after(stream, since).cloned().collect();
        let reminder = self.reminders.get(&address).map(|(_, at)| *at);
        Some(Stored { stream, first, snapshot, tail, reminder })
    }

    fn after(&self, stream: StreamId, since: Version) -> impl Iterator<Item = &EventRow> {
        let versions = (Excluded((stream, since)), Included((stream, Version(u64::MAX))));
        self.journal.range(versions).map(|(_, event)| event)
    }

    fn commit(&mut self, node: Uuid, append: &Append) -> Outcome {
        if !self.holds(append.address, append.epoch, node) {
            return Outcome::Fenced;
        }
        let stream = self.entities.get(&append.address).map(|(_, stream, _)| *stream);
        let is_open = match append.opening {
            Opening::No => true,
            Opening::Entity => stream.is_none_or(|stream| stream == append.stream),
            Opening::Rotation { left } => stream == Some(left) || stream == Some(append.stream),
        };
        if !is_open {
            return Outcome::Conflict;
        }
        let known = append.events.iter().map(|event| self.journal.get(&(append.stream, event.version)));
        let known: Vec<Option<CommandId>> =
            known.map(|stored| stored.map(|event| event.stamp.command)).collect();
        if known.iter().any(Option::is_some) {
            let offered = append.events.iter().map(|event| Some(event.stamp.command));
            return if offered.eq(known) { Outcome::Committed } else { Outcome::Conflict };
        }
        if append.events.iter().any(|event| event.kind.is_empty()) {
            return Outcome::Refused("an event has a name".to_owned());
        }
        if append.events.iter().any(|event| self.refused.contains(&event.stamp.command)) {
            return Outcome::Refused("refused on demand".to_owned());
        }
        let earlier = append.events.first().map(|event| Version(event.version.0.saturating_sub(1)));
        let joins = earlier.is_none_or(|earlier| match append.opening {
            Opening::No => self.journal.contains_key(&(append.stream, earlier)),
            Opening::Entity => true,
            Opening::Rotation { left } => {
                let sealed = (left, earlier.next());
                self.journal.contains_key(&(left, earlier)) && !self.journal.contains_key(&sealed)
            }
        });
        if !joins {
            return Outcome::Conflict;
        }
        let mine = |id: &LetterId| {
            let letter = self.letters.get(id);
            letter.is_some_and(|(home, row)| (*home, row.to) == (append.gym, append.address.owner))
        };
        if !append.carried.iter().all(mine) {
            return Outcome::Conflict;
        }
        if let Some(first) = append.events.first().filter(|_| append.opening != Opening::No) {
            self.entities.insert(append.address, (append.gym, append.stream, first.version));
        }
        if let Some((left, seal)) = append.seal() {
            self.journal.insert((left, seal.version), seal);
            self.snapshots.remove(&left);
        }
        for event in &append.events {
            self.journal.insert((append.stream, event.version), event.clone());
        }
        self.write_rows(append.gym, append.address.owner, &append.rows);
        for id in &append.carried {
            self.letters.remove(id);
        }
        for letter in &append.letters {
            self.next_letter += 1;
            self.letters.insert(LetterId(self.next_letter), (append.gym, letter.clone()));
        }
        match append.reminder {
            Remind::Keep => {}
            Remind::At(at) => {
                self.reminders.insert(append.address, (append.gym, at));
            }
            Remind::Never => {
                self.reminders.remove(&append.address);
            }
        }
        if let Some(witness) = &self.witness {
            witness.written(append);
        }
        Outcome::Committed
    }

    fn write_rows(&mut self, gym: GymId, owner: UserId, rows: &[ReadRow]) {
        for row in rows {
            match row {
                ReadRow::Session(row) => {
                    let known = self.sessions.get(&(owner, row.session));
                    if known.is_none_or(|(_, known)| known.version <= row.version) {
                        self.sessions.insert((owner, row.session), (gym, row.clone()));
                    }
                }
                // Pages of history and bests are not part of the journal's contract.
                ReadRow::Message(_) | ReadRow::Bests(_) => {}
                ReadRow::Set(row) => {
                    self.sets.insert((owner, row.session, row.set), row.clone());
                }
            }
        }
    }
}

#[async_trait]
impl Journal for SimulatedJournal {
    fn incarnation(&self) -> Uuid {
        Uuid::from_u128(0x5107_7e2d << 32 | u128::from(self.stored().timeline))
    }

    async fn commit(&self, node: Uuid, batch: &[Append]) -> Result<Vec<Outcome>, StoreError> {
        let fault = self.suffer(batch).await?;
        let mut stored = self.stored();
        let outcomes = batch.iter().map(|append| stored.commit(node, append)).collect();
        stored.after_commit(fault, batch)?;
        Ok(outcomes)
    }

    async fn save(&self, node: Uuid, snapshots: &[SnapshotWrite]) -> Result<(), StoreError> {
        let mut stored = self.stored();
        for write in snapshots {
            let known = stored.snapshots.get(&write.stream);
            let newer = known.is_none_or(|known| known.version <= write.snapshot.version);
            if newer && stored.holds(write.address, write.epoch, node) {
                stored.snapshots.insert(write.stream, write.snapshot.clone());
                stored.write_rows(write.gym, write.address.owner, &write.rows);
            }
        }
        Ok(())
    }

    async fn load_all(
        &self,
        gym: GymId,
        addresses: &[Address],
    ) -> Result<Vec<(Address, Stored)>, StoreError> {
        let stored = self.stored();
        if let Some(spoiled) = addresses.iter().find(|address| stored.spoiled.contains(address)) {
            return Err(StoreError::Unreadable(format!("{spoiled} was spoiled on demand").into()));
        }
        Ok(addresses.iter().filter_map(|address| Some((*address, stored.load(gym, *address)?))).collect())
    }

    async fn events(
        &self,
        gym: GymId,
        address: Address,
        since: Version,
        limit: u32,
    ) -> Result<Option<Vec<EventRow>>, StoreError> {
        let stored = self.stored();
        let Some((stream, _)) = stored.stream(gym, address) else { return Ok(None) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Some(stored.after(stream, since).take(limit).cloned().collect()))
    }

    async fn running(&self, gym: GymId, owners: &[UserId]) -> Result<Vec<(Address, Version)>, StoreError> {
        let stored = self.stored();
        let mut running = Vec::new();
        for ((owner, session), (home, row)) in &stored.sessions {
            let runs = row.phase.is_running();
            if runs && *home == gym && owners.contains(owner) {
                let address = Address::session(*owner, *session);
                let stream = stored.stream(gym, address);
                let head = stream.and_then(|(stream, _)| stored.after(stream, Version(0)).last());
                running.extend(head.map(|head| (row.started_at, address, head.version)));
            }
        }
        running.sort_by_key(|(started_at, address, _)| (std::cmp::Reverse(*started_at), *address));
        Ok(running.into_iter().map(|(_, address, head)| (address, head)).collect())
    }

    async fn letters(
        &self,
        gym: GymId,
        recipient: UserId,
        limit: u32,
    ) -> Result<Vec<(LetterId, LetterRow)>, StoreError> {
        let stored = self.stored();
        let letters = stored.letters.iter().filter(|(_, (home, row))| (*home, row.to) == (gym, recipient));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(letters.take(limit).map(|(id, (_, row))| (*id, row.clone())).collect())
    }

    async fn recipients(&self, after: UserId, limit: u32) -> Result<Vec<(GymId, UserId)>, StoreError> {
        let stored = self.stored();
        let waiting: BTreeMap<UserId, GymId> =
            stored.letters.values().map(|(gym, row)| (row.to, *gym)).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let later = waiting.range((Excluded(after), Unbounded)).take(limit);
        Ok(later.map(|(to, gym)| (*gym, *to)).collect())
    }

    async fn reminders(&self, until: Timestamp, limit: u32) -> Result<Vec<Reminder>, StoreError> {
        let stored = self.stored();
        let mut due: Vec<Reminder> = stored
            .reminders
            .iter()
            .map(|(address, (gym, at))| Reminder { at: *at, gym: *gym, address: *address })
            .collect();
        due.retain(|reminder| reminder.at <= until);
        due.sort_by_key(|reminder| (reminder.at, reminder.address));
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(due)
    }

    async fn begun_before(
        &self,
        boundary: StreamId,
        after: StreamId,
        limit: u32,
    ) -> Result<Vec<Resident>, StoreError> {
        let stored = self.stored();
        let residents = stored.entities.iter().map(|(address, (gym, stream, _))| Resident {
            gym: *gym,
            address: *address,
            stream: *stream,
        });
        let mut begun: Vec<Resident> =
            residents.filter(|resident| after < resident.stream && resident.stream < boundary).collect();
        begun.sort_by_key(|resident| resident.stream);
        begun.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(begun)
    }

    async fn version_of(
        &self,
        gym: GymId,
        address: Address,
        command: CommandId,
    ) -> Result<Option<Version>, StoreError> {
        let history = self.history(gym, address);
        Ok(history.iter().rfind(|event| event.stamp.command == command).map(|event| event.version))
    }
}

#[async_trait]
impl Library for SimulatedJournal {
    async fn brief(
        &self,
        gym: GymId,
        address: Address,
        needs: &Needs,
        _at: Timestamp,
    ) -> Result<Brief, StoreError> {
        let stored = self.stored();
        let is_wanted = |workout: &Workout| Some(workout.reference()) == needs.workout;
        let workout = stored.workouts.iter().find(|(home, workout)| *home == gym && is_wanted(workout));
        let workout = workout.map(|(_, workout)| workout.clone());
        let prescribed = workout.iter().flat_map(|workout| &workout.exercises).map(|entry| &entry.exercise);
        let exercises: BTreeSet<&ExerciseId> = needs.bests.iter().chain(prescribed).collect();
        let bests = exercises.into_iter().map(|exercise| (address.owner, exercise.clone()));
        let bests = bests.filter_map(|key| stored.bests.get(&key).cloned()).collect();
        let roster = stored.rosters.get(&(gym, address.owner)).filter(|_| needs.roster).cloned();
        Ok(Brief { workout, bests, roster: roster.unwrap_or_default() })
    }

    async fn roster(&self, gym: GymId, owner: UserId) -> Result<Vec<UserId>, StoreError> {
        Ok(self.stored().rosters.get(&(gym, owner)).cloned().unwrap_or_default())
    }
}
