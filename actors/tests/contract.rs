//! The simulated journal keeps the contract, and its faults are what they say.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it fails without")]

use std::time::Duration;

use async_trait::async_trait;
use spotter_actors::EventRow;
use spotter_actors::contract::Subject;
use spotter_actors::{
    Append, Claim, CommitFault, DeadLetters, Journal, Opening, Outcome, Remind, SimulatedJournal,
    contract_tests,
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
        self.journal.steal(shard, Uuid::from_u128(2));
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
