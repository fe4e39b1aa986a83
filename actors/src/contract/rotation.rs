//! What becomes of an entity that leaves its stream for another.

use spotter_protocol::{StreamId, Timestamp, Version};
use uuid::Uuid;

use super::Subject;
use super::entity::{Entity, GYM, OTHER_GYM, commit, event, events, session, with_rows};
use crate::Outcome::{Committed, Conflict, Fenced};
use crate::{Append, Opening, Resident};

/// An entity of three events, and itself as it is once it has moved.
async fn moving(subject: &dyn Subject) -> (Entity, Entity) {
    let entity = session(subject, 1, 1);
    assert_eq!(commit(subject, &[entity.opens(1, 3)]).await, [Committed]);
    (entity, Entity { stream: StreamId(Uuid::from_u128(0x2222)), ..entity })
}

/// The move of an entity to the stream of `to`, with the event of version `first`.
fn rotation(from: Entity, to: Entity, first: u64, command: u128) -> Append {
    Append { opening: Opening::Rotation { left: from.stream }, ..to.append(first, command, 1) }
}

/// From then on the entity is read and written in its new stream, and versions go on.
pub async fn a_rotated_entity_is_read_from_its_new_stream(subject: &dyn Subject) {
    let (old, new) = moving(subject).await;
    let load =
        async || subject.journal().load(GYM, old.address).await.expect("an answer").expect("an entity");
    subject.journal().save(subject.claim().node, &[old.snapshot(3)]).await.expect("an answer");
    assert_eq!(load().await.first, Version(1));

    assert_eq!(commit(subject, &[rotation(old, new, 4, 2)]).await, [Committed]);

    let stored = load().await;
    assert_eq!((stored.stream, stored.first, stored.snapshot), (new.stream, Version(4), None));
    assert_eq!(stored.tail, [event(4, 2)]);
    assert_eq!(commit(subject, &[new.append(5, 3, 2)]).await, [Committed]);
    assert_eq!(events(subject, old).await, Some(vec![event(4, 2), event(5, 3), event(6, 3)]));
    for (command, version) in [(1, Some(3)), (2, Some(4)), (3, Some(6)), (4, None)] {
        let command = event(1, command).stamp.command;
        let found = subject.journal().version_of(GYM, old.address, command).await.expect("an answer");
        assert_eq!(found, version.map(Version), "in all streams");
    }
    subject.journal().save(subject.claim().node, &[new.snapshot(5)]).await.expect("an answer");
    assert_eq!(load().await.snapshot, Some(new.snapshot(5).snapshot));
}

/// Whoever still believes in the old stream is told so, and nothing of what it offers is written.
pub async fn a_stream_that_was_left_takes_nothing_more(subject: &dyn Subject) {
    let (old, new) = moving(subject).await;
    commit(subject, &[rotation(old, new, 4, 2)]).await;

    assert_eq!(commit(subject, &[with_rows(old.append(4, 3, 1), vec![])]).await, [Conflict]);
    assert_eq!(commit(subject, &[old.append(4, 3, 3)]).await, [Conflict]);
    let third = Entity { stream: StreamId(Uuid::from_u128(0x3333)), ..old };
    assert_eq!(commit(subject, &[rotation(old, third, 4, 4)]).await, [Conflict]);

    assert_eq!(events(subject, old).await, Some(vec![event(4, 2)]));
}

/// A move that was committed is known again, among others too.
pub async fn a_rotation_offered_again_is_committed_once(subject: &dyn Subject) {
    let (old, new) = moving(subject).await;
    let moved = rotation(old, new, 4, 2);
    commit(subject, std::slice::from_ref(&moved)).await;

    assert_eq!(commit(subject, &[moved.clone(), new.append(5, 3, 1)]).await, [Committed, Committed]);
    assert_eq!(commit(subject, &[moved]).await, [Committed]);

    assert_eq!(events(subject, new).await, Some(vec![event(4, 2), event(5, 3)]));
}

/// An entity moves from its head and nowhere else, and only for who holds its shard.
pub async fn a_rotation_continues_the_stream_it_leaves(subject: &dyn Subject) {
    let (old, new) = moving(subject).await;
    let unopened = session(subject, 1, 2);
    let elsewhere = Entity { stream: StreamId(Uuid::from_u128(0x4444)), ..unopened };

    assert_eq!(commit(subject, &[rotation(old, new, 3, 2)]).await, [Conflict], "its version is taken");
    assert_eq!(commit(subject, &[rotation(old, new, 5, 2)]).await, [Conflict], "there is a gap");
    assert_eq!(commit(subject, &[rotation(unopened, elsewhere, 1, 2)]).await, [Conflict]);
    subject.steal(old.address.shard()).await;
    assert_eq!(commit(subject, &[rotation(old, new, 4, 2)]).await, [Fenced]);

    assert_eq!(events(subject, old).await.map(|events| events.len()), Some(3));
    assert_eq!(events(subject, unopened).await, None);
}

/// Events, a move and events after it may stand in one batch.
pub async fn a_rotation_shares_a_batch_with_what_surrounds_it(subject: &dyn Subject) {
    let (old, new) = moving(subject).await;
    let other = session(subject, 2, 1);

    let batch = [old.append(4, 2, 1), rotation(old, new, 5, 3), new.append(6, 4, 1), other.opens(1, 1)];
    assert_eq!(commit(subject, &batch).await, [Committed, Committed, Committed, Committed]);

    assert_eq!(events(subject, new).await, Some(vec![event(5, 3), event(6, 4)]));
    assert_eq!(events(subject, other).await.map(|events| events.len()), Some(1));
}

/// Who is still in an old stream is found in pages, whatever the gym; who has left it is not.
pub async fn entities_are_found_by_when_their_streams_began(subject: &dyn Subject) {
    let begun = |minute: i64, id: u128| {
        let StreamId(least) = StreamId::least_at(Timestamp(minute * 60_000_000));
        Entity { stream: StreamId(Uuid::from_u128(least.as_u128() + id)), ..session(subject, id, id) }
    };
    let (first, second, third, late) = (begun(1, 9), begun(1, 10), begun(2, 3), begun(3, 4));
    let elsewhere = Append { gym: OTHER_GYM, ..second.opens(1, 1) };
    let opened = [third.opens(1, 1), late.opens(2, 1), elsewhere, first.opens(3, 2)];
    assert_eq!(commit(subject, &opened).await, [Committed, Committed, Committed, Committed]);
    let found = async |after: StreamId, limit| {
        let boundary = StreamId::least_at(Timestamp(180_000_000));
        subject.journal().begun_before(boundary, after, limit).await.expect("an answer")
    };
    let none = StreamId(Uuid::nil());
    let at = |entity: Entity, gym| Resident { gym, address: entity.address, stream: entity.stream };

    assert_eq!(found(none, 2).await, [at(first, GYM), at(second, OTHER_GYM)]);
    assert_eq!(
        found(second.stream, 2).await,
        [at(third, GYM)],
        "what began at the moment did not begin before it"
    );

    let kept = Entity { stream: StreamId::kept(Uuid::from_u128(5)), ..first };
    assert_eq!(commit(subject, &[rotation(first, kept, 3, 4)]).await, [Committed]);
    assert_eq!(found(none, 9).await, [at(second, OTHER_GYM), at(third, GYM)]);
    assert_eq!(events(subject, first).await, Some(vec![event(3, 4)]), "a kept stream is like any other");
}
