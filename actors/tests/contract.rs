//! The simulated journal keeps the contract, and its faults are what they say.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use spotter_actors::contract::Subject;
use spotter_actors::{
    Append, Claim, CommitFault, DeadLetters, Epoch, EventRow, Journal, Opening, Outcome, Remind,
    SimulatedJournal, SnapshotRow, SnapshotWrite, Witness, contract_tests,
};
use spotter_protocol::{
    Address, ClientId, CommandId, GymId, Reps, SessionId, SetId, Shard, Stamp, StreamId, Timestamp, UserId,
    Version,
};
use uuid::Uuid;

struct Simulated {
    journal: SimulatedJournal,
    claim: Claim,
}

#[async_trait]
impl Subject for Simulated {
    fn journal(&self) -> &dyn Journal {
        &self.journal
    }

    fn dead_letters(&self) -> &dyn DeadLetters {
        &self.journal
    }

    fn claim(&self) -> &Claim {
        &self.claim
    }

    async fn steal(&self, shard: Shard) {
        self.journal.steal(shard, THIEF);
    }

    async fn sets_of(&self, owner: UserId) -> Vec<(SessionId, SetId, Option<Reps>)> {
        self.journal.sets_of(owner).into_iter().map(|row| (row.session, row.set, row.reps)).collect()
    }
}

async fn open() -> Simulated {
    let journal = SimulatedJournal::default();
    let claim = journal.claim(Uuid::from_u128(1));
    Simulated { journal, claim }
}

contract_tests!(open);

const GYM: GymId = GymId(Uuid::from_u128(1));
const THIEF: Uuid = Uuid::from_u128(2);

fn an_append(claim: &Claim) -> Append {
    let address = Address::session(UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(2)));
    let stamp = Stamp {
        at: Timestamp(1),
        received_at: Timestamp(1),
        device_at: Timestamp(1),
        offset: 0,
        author: address.owner,
        command: CommandId(Uuid::from_u128(3)),
        client: ClientId(Uuid::from_u128(4)),
        n: 1,
    };
    let event = EventRow { version: Version(1), stamp, kind: "noted".to_owned(), schema: 1, body: vec![] };
    Append {
        gym: GYM,
        address,
        stream: StreamId(Uuid::from_u128(5)),
        opening: Opening::Entity,
        epoch: claim.epoch(address.shard()).unwrap(),
        events: vec![event],
        rows: vec![],
        letters: Vec::new(),
        carried: Vec::new(),
        reminder: Remind::Keep,
    }
}

async fn is_stored(journal: &SimulatedJournal, append: &Append) -> bool {
    journal.load(GYM, append.address).await.unwrap().is_some()
}

#[tokio::test]
async fn after_a_failure_nothing_is_written_and_the_same_rows_can_be_offered_again() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    journal.inject(CommitFault::FailBefore);

    assert!(journal.commit(claim.node, std::slice::from_ref(&append)).await.is_err());
    assert!(!is_stored(&journal, &append).await);
    let again = journal.commit(claim.node, std::slice::from_ref(&append)).await.unwrap();
    assert_eq!(again, [Outcome::Committed]);
}

#[tokio::test]
async fn after_a_lost_reply_the_rows_are_written_and_the_same_rows_can_be_offered_again() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    journal.inject(CommitFault::LoseReply);

    assert!(journal.commit(claim.node, std::slice::from_ref(&append)).await.is_err());
    assert!(is_stored(&journal, &append).await);
    let again = journal.commit(claim.node, std::slice::from_ref(&append)).await.unwrap();
    assert_eq!(again, [Outcome::Committed]);
}

#[tokio::test]
async fn a_delayed_commit_is_not_there_before_its_time() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    journal.inject(CommitFault::Delay(Duration::from_millis(20)));

    let batch = [append.clone()];
    let mut commit = journal.commit(claim.node, &batch);
    let early = tokio::time::timeout(Duration::ZERO, &mut commit).await;
    assert!(early.is_err() && !is_stored(&journal, &append).await);
    assert_eq!(commit.await.unwrap(), [Outcome::Committed]);
}

#[tokio::test]
async fn a_command_can_be_refused_on_demand() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    journal.refuse(append.events[0].stamp.command);

    let outcomes = journal.commit(claim.node, std::slice::from_ref(&append)).await.unwrap();
    assert!(matches!(&outcomes[..], [Outcome::Refused(_)]));
    assert!(!is_stored(&journal, &append).await);
}

#[tokio::test]
async fn a_shard_that_is_stolen_under_an_append_is_fenced_and_nothing_is_written() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    journal.inject(CommitFault::StealBefore(THIEF));

    let outcomes = journal.commit(claim.node, std::slice::from_ref(&append)).await.unwrap();
    assert_eq!(outcomes, [Outcome::Fenced]);
    assert!(!is_stored(&journal, &append).await);
}

#[tokio::test]
async fn an_append_whose_reply_was_lost_with_its_shard_is_fenced_though_it_is_there() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    journal.inject(CommitFault::StealAfter(THIEF));

    assert!(journal.commit(claim.node, std::slice::from_ref(&append)).await.is_err());
    assert!(is_stored(&journal, &append).await);
    let again = journal.commit(claim.node, std::slice::from_ref(&append)).await.unwrap();
    assert_eq!(again, [Outcome::Fenced]);
}

#[tokio::test]
async fn a_journal_that_healed_suffers_no_fault() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    journal.inject(CommitFault::FailBefore);
    journal.heal();

    let outcomes = journal.commit(claim.node, std::slice::from_ref(&append)).await.unwrap();
    assert_eq!(outcomes, [Outcome::Committed]);
}

#[tokio::test]
async fn a_journal_that_went_back_has_lost_the_newest_and_nothing_else() {
    let Simulated { journal, claim } = open().await;
    let (kept, incarnation) = (an_append(&claim), journal.incarnation());
    let lost = Append { opening: Opening::No, events: vec![second(&kept)], ..kept.clone() };
    assert_eq!(journal.commit(claim.node, std::slice::from_ref(&kept)).await.unwrap(), [Outcome::Committed]);
    journal.remember();
    assert_eq!(journal.commit(claim.node, std::slice::from_ref(&lost)).await.unwrap(), [Outcome::Committed]);

    journal.roll_back();

    assert_eq!(journal.history(GYM, kept.address), kept.events);
    assert_ne!(journal.incarnation(), incarnation, "versions of before mean nothing");
}

#[tokio::test]
async fn claims_of_before_a_journal_went_back_are_void_even_those_it_has_heard_of() {
    let Simulated { journal, claim } = open().await;
    let append = an_append(&claim);
    // The copy knows of the claim, and of none later.
    journal.remember();
    let later = journal.claim(claim.node);
    journal.roll_back();

    for void in [&claim, &later] {
        let append = Append { epoch: void.epoch(append.address.shard()).unwrap(), ..append.clone() };
        let snapshot = SnapshotWrite {
            gym: GYM,
            address: append.address,
            stream: append.stream,
            epoch: append.epoch,
            snapshot: SnapshotRow { version: Version(1), schema: 1, body: vec![] },
            rows: vec![],
        };
        journal.save(void.node, &[snapshot]).await.unwrap();
        assert_eq!(journal.commit(void.node, &[append]).await.unwrap(), [Outcome::Fenced]);
    }

    let valid = journal.claim(claim.node);
    assert!(valid.epochs > later.epochs, "epochs go on above all that were ever given");
    assert_eq!(journal.commit(valid.node, &[an_append(&valid)]).await.unwrap(), [Outcome::Committed]);
    assert_eq!(journal.commit(later.node, &[an_append(&later)]).await.unwrap(), [Outcome::Fenced]);
    let stored = journal.load(GYM, append.address).await.unwrap().unwrap();
    assert_eq!(stored.snapshot, None, "nor was a snapshot saved under them");
}

#[tokio::test]
async fn a_witness_sees_each_claim_and_each_append_once() {
    let journal = SimulatedJournal::default();
    let seen = Arc::new(Seen::default());
    journal.be_seen_by(Arc::clone(&seen) as _);
    let claim = journal.claim(Uuid::from_u128(1));
    let append = an_append(&claim);
    let shard = append.address.shard();
    journal.inject(CommitFault::LoseReply);

    assert!(journal.commit(claim.node, std::slice::from_ref(&append)).await.is_err());
    journal.commit(claim.node, std::slice::from_ref(&append)).await.unwrap();
    let stolen = journal.steal(shard, THIEF);

    let claims = seen.claims.lock().unwrap().clone();
    assert_eq!(claims.iter().filter(|(number, _)| *number == shard.number()).count(), 2);
    assert_eq!(claims.last(), Some(&(shard.number(), stolen)));
    assert_eq!(*seen.commands.lock().unwrap(), [append.events[0].stamp.command]);
}

/// An event of another command behind that of an append.
fn second(first: &Append) -> EventRow {
    let row = &first.events[0];
    let stamp = Stamp { command: CommandId(Uuid::from_u128(33)), n: 2, ..row.stamp };
    EventRow { version: row.version.next(), stamp, ..row.clone() }
}

#[derive(Debug, Default)]
struct Seen {
    claims: Mutex<Vec<(u16, Epoch)>>,
    commands: Mutex<Vec<CommandId>>,
}

impl Witness for Seen {
    fn claimed(&self, shard: u16, epoch: Epoch) {
        self.claims.lock().unwrap().push((shard, epoch));
    }

    fn written(&self, append: &Append) {
        self.commands.lock().unwrap().extend(append.events.iter().map(|event| event.stamp.command));
    }
}
