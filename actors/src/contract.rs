//! What every store must do: one suite, run over each of them. [`contract_tests!`](crate::contract_tests)
//! makes a test of each check.

mod dead_letters;
mod entity;
mod rotation;

use async_trait::async_trait;
use spotter_protocol::{Phase, Reps, SessionId, SetId, Shard, StreamId, Timestamp, UserId, Version};
use uuid::Uuid;

pub use self::dead_letters::{
    a_command_given_up_again_is_kept_once, a_dead_letter_comes_back_as_it_was_kept,
    a_discarded_dead_letter_is_gone,
};
use self::entity::{
    Entity, GYM, OTHER_GYM, STEPS_MAX, carrying, commit, event, events, leave_after, letter, letters,
    refused, reminding, reps_of, running, session, with_letters, with_rows,
};
pub use self::rotation::{
    a_rotated_entity_is_read_from_its_new_stream, a_rotation_continues_the_stream_it_leaves,
    a_rotation_offered_again_is_committed_once, a_rotation_shares_a_batch_with_what_surrounds_it,
    a_stream_that_was_left_takes_nothing_more, entities_are_found_by_when_their_streams_began,
};
use crate::Outcome::{Committed, Conflict, Fenced, Refused};
use crate::{
    Append, Claim, DeadLetters, Epoch, EventRow, Journal, LetterId, Remind, Reminder, SnapshotWrite,
};

/// A new, empty store with every shard claimed, and what only its owner can do with it.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store.
    fn journal(&self) -> &dyn Journal;

    /// Where it keeps commands that were given up.
    fn dead_letters(&self) -> &dyn DeadLetters;

    /// The claim.
    fn claim(&self) -> &Claim;

    /// Gives a shard to another node under a new epoch, behind the back of the claim.
    async fn steal(&self, shard: Shard);

    /// The rows stored of an owner's sets, in the order of their keys.
    async fn sets_of(&self, owner: UserId) -> Vec<(SessionId, SetId, Option<Reps>)>;
}

/// Makes a `#[tokio::test]` of every check, each over the [`Subject`] that the given async function opens.
#[macro_export]
macro_rules! contract_tests {
    ($open:path) => {
        $crate::contract_tests! { $open:
            appended_rows_come_back_in_order
            batches_of_any_size_come_back_whole
            several_appends_of_one_entity_share_a_batch
            values_at_the_ends_of_their_ranges_come_back
            a_version_is_written_once_and_without_gaps
            offering_again_writes_nothing_and_answers_committed
            versions_of_another_command_conflict
            opening_an_entity_under_another_stream_conflicts
            a_commit_whose_caller_left_can_be_offered_again
            an_old_epoch_and_another_node_write_nothing
            a_stolen_shard_fences_appends_and_snapshots
            a_refused_row_never_fails_its_neighbours
            mixed_outcomes_are_answered_in_order
            a_gym_never_reads_another_gyms_entity
            a_snapshot_shortens_the_tail
            an_older_snapshot_is_ignored
            many_entities_are_loaded_as_each_would_be
            events_are_read_in_pages
            running_lists_live_and_paused_sessions_newest_first
            read_rows_are_absolute
            a_set_that_is_not_fresh_replaces_its_row
            a_sessions_row_never_goes_back
            events_of_several_commands_share_an_append
            a_rotated_entity_is_read_from_its_new_stream
            a_stream_that_was_left_takes_nothing_more
            a_rotation_offered_again_is_committed_once
            a_rotation_continues_the_stream_it_leaves
            a_rotation_shares_a_batch_with_what_surrounds_it
            entities_are_found_by_when_their_streams_began
            a_dead_letter_comes_back_as_it_was_kept
            a_command_given_up_again_is_kept_once
            a_discarded_dead_letter_is_gone
            letters_are_written_with_their_events_and_keep_their_order
            a_letter_is_carried_once
            a_fenced_append_neither_writes_nor_carries_letters
            recipients_are_found_in_pages
            a_reminder_follows_its_entity
        }
    };
    ($open:path: $($check:ident)*) => {$(
        #[tokio::test]
        async fn $check() {
            $crate::contract::$check(&$open().await).await;
        }
    )*};
}

/// What is appended is read back as it was, in the order of versions.
pub async fn appended_rows_come_back_in_order(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);

    assert_eq!(commit(subject, &[entity.opens(1, 2)]).await, [Committed]);
    assert_eq!(commit(subject, &[entity.append(3, 2, 1)]).await, [Committed]);

    let expected = vec![event(1, 1), event(2, 1), event(3, 2)];
    let stored = subject.journal().load(GYM, entity.address).await.expect("an answer").expect("an entity");
    assert_eq!((stored.stream, stored.snapshot, stored.tail), (entity.stream, None, expected.clone()));
    assert_eq!(events(subject, entity).await, Some(expected));
    let version_of = async |event: EventRow| {
        let command = event.stamp.command;
        subject.journal().version_of(GYM, entity.address, command).await.expect("an answer")
    };
    assert_eq!(version_of(event(1, 1)).await, Some(Version(2)), "where the command's events end");
    assert_eq!(version_of(event(1, 9)).await, None);
}

/// However many rows a batch has, all of them are written.
pub async fn batches_of_any_size_come_back_whole(subject: &dyn Subject) {
    for size in [1, 3, 15, 16, 17, 63, 64, 65, 149, 500] {
        let entities: Vec<Entity> =
            (0..size).map(|id| session(subject, id % 7 + 1, size << 16 | id)).collect();
        let batch = entities.iter().map(|entity| with_rows(entity.opens(1, 2), vec![entity.set(1, 5)]));

        let outcomes = commit(subject, &batch.collect::<Vec<_>>()).await;

        assert!(outcomes.iter().all(|outcome| *outcome == Committed), "{size}");
        assert_eq!(outcomes.len(), entities.len());
        for entity in entities {
            assert_eq!(events(subject, entity).await.map(|events| events.len()), Some(2), "{size}");
        }
    }
}

/// Later events of an entity may stand in the same batch as earlier ones.
pub async fn several_appends_of_one_entity_share_a_batch(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);

    let batch = [entity.opens(1, 1), entity.append(2, 2, 2), entity.append(4, 3, 1)];

    assert_eq!(commit(subject, &batch).await, [Committed, Committed, Committed]);
    assert_eq!(events(subject, entity).await.map(|events| events.len()), Some(4));
}

/// A client's number uses all 64 bits, and a broken clock may say anything.
pub async fn values_at_the_ends_of_their_ranges_come_back(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let mut append = entity.opens(1, 1);
    let event = &mut append.events[0];
    event.stamp.n = u64::MAX;
    event.stamp.device_at = Timestamp(i64::MIN);
    event.stamp.offset = i64::MAX;
    event.body = vec![0; 70_000];

    assert_eq!(commit(subject, std::slice::from_ref(&append)).await, [Committed]);
    assert_eq!(events(subject, entity).await, Some(append.events));
    let beyond = subject.journal().events(GYM, entity.address, Version(u64::MAX), u32::MAX).await;
    assert_eq!(beyond.expect("an answer"), Some(vec![]));
}

/// An append of several commands is written whole, and known again by each of them.
pub async fn events_of_several_commands_share_an_append(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let mut append = entity.opens(1, 1);
    append.events.extend([event(2, 2), event(3, 2), event(4, 3)]);
    let mut other = append.clone();
    other.events[3] = event(4, 9);

    assert_eq!(commit(subject, std::slice::from_ref(&append)).await, [Committed]);
    assert_eq!(commit(subject, std::slice::from_ref(&append)).await, [Committed], "offered again");
    assert_eq!(commit(subject, &[other]).await, [Conflict]);
    assert_eq!(events(subject, entity).await, Some(append.events));
}

/// No version twice, none left out, and none of an entity that was never opened.
pub async fn a_version_is_written_once_and_without_gaps(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let unopened = session(subject, 1, 2);
    commit(subject, &[entity.opens(1, 2)]).await;

    assert_eq!(commit(subject, &[entity.append(2, 2, 1)]).await, [Conflict]);
    assert_eq!(commit(subject, &[entity.append(4, 2, 1)]).await, [Conflict]);
    assert_eq!(commit(subject, &[unopened.append(2, 2, 1)]).await, [Conflict]);
    assert_eq!(commit(subject, &[entity.append(3, 2, 1)]).await, [Committed]);

    let versions = events(subject, entity).await.expect("an entity");
    assert_eq!(versions.iter().map(|event| event.version.0).collect::<Vec<_>>(), [1, 2, 3]);
}

/// The same rows offered again are answered as done, and neither they nor what goes with them is written.
pub async fn offering_again_writes_nothing_and_answers_committed(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let first = with_rows(entity.opens(1, 2), vec![entity.set(1, 5)]);
    let second = with_rows(entity.append(3, 2, 1), vec![entity.set(1, 6)]);
    commit(subject, std::slice::from_ref(&first)).await;
    commit(subject, std::slice::from_ref(&second)).await;

    assert_eq!(commit(subject, std::slice::from_ref(&first)).await, [Committed]);
    assert_eq!(commit(subject, &[first.clone(), second.clone()]).await, [Committed, Committed]);

    assert_eq!(events(subject, entity).await, Some([first.events, second.events].concat()));
    assert_eq!(reps_of(subject, entity).await, [6]);
}

/// Versions that another command has taken are told from one's own.
pub async fn versions_of_another_command_conflict(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    commit(subject, &[entity.opens(1, 1), entity.append(2, 2, 2)]).await;

    let late = with_rows(entity.append(2, 3, 2), vec![entity.set(1, 5)]);

    assert_eq!(commit(subject, &[late]).await, [Conflict]);
    // Its first event is in the way, its second would not be.
    assert_eq!(commit(subject, &[entity.append(3, 3, 2)]).await, [Conflict]);
    assert_eq!(events(subject, entity).await.map(|events| events.len()), Some(3));
    assert_eq!(reps_of(subject, entity).await, [0; 0]);
}

/// Two activations may both believe that they open an entity: one of them does.
pub async fn opening_an_entity_under_another_stream_conflicts(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let twin = Entity { stream: StreamId(Uuid::from_u128(0x2222)), ..entity };

    assert_eq!(commit(subject, &[entity.opens(1, 1), twin.opens(2, 1)]).await, [Committed, Conflict]);
    assert_eq!(commit(subject, &[twin.opens(1, 1)]).await, [Conflict]);

    let stored = subject.journal().load(GYM, entity.address).await.expect("an answer").expect("an entity");
    assert_eq!(stored.stream, entity.stream);
    // Had the first event of the twin been written, its second would follow.
    assert_eq!(commit(subject, &[twin.append(2, 3, 1)]).await, [Conflict]);
}

/// A caller that goes away at any moment leaves the store usable, and the same rows offered again are
/// written once, whatever had become of them.
pub async fn a_commit_whose_caller_left_can_be_offered_again(subject: &dyn Subject) {
    for steps in 0..STEPS_MAX {
        let entity = session(subject, 1, steps + 1);
        let batch = [with_rows(entity.opens(1, 2), vec![entity.set(1, 5)]), refused(entity.append(3, 2, 1))];
        let finished = leave_after(steps, subject.journal().commit(subject.claim().node, &batch)).await;

        let outcomes = commit(subject, &batch).await;

        assert!(matches!(&outcomes[..], [Committed, Refused(_)]), "after {steps} steps: {outcomes:?}");
        assert_eq!(events(subject, entity).await.map(|events| events.len()), Some(2), "after {steps} steps");
        if finished {
            return;
        }
    }
    panic!("a commit of two appends takes fewer than {STEPS_MAX} steps");
}

/// An epoch before the present one, one not yet given, or another node's name: nothing is written.
pub async fn an_old_epoch_and_another_node_write_nothing(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let append = with_rows(entity.opens(1, 1), vec![entity.set(1, 5), entity.row(Phase::Live, 1, 1)]);
    let under = |epoch| Append { epoch, ..append.clone() };

    let Epoch(now) = entity.epoch;
    assert_eq!(commit(subject, &[under(Epoch(now - 1)), under(Epoch(now + 1))]).await, [Fenced, Fenced]);
    let other = Uuid::from_u128(0xbad);
    let outcomes = subject.journal().commit(other, std::slice::from_ref(&append)).await.expect("an answer");
    assert_eq!(outcomes, [Fenced]);

    assert_eq!(events(subject, entity).await, None);
    assert_eq!(reps_of(subject, entity).await, [0; 0]);
    assert_eq!(running(subject, &[entity]).await, []);
    assert_eq!(commit(subject, &[append]).await, [Committed]);

    let next = with_rows(entity.append(2, 2, 1), vec![entity.set(1, 6)]);
    assert_eq!(commit(subject, &[Append { epoch: Epoch(now - 1), ..next.clone() }]).await, [Fenced]);
    assert_eq!(subject.journal().commit(other, &[next]).await.expect("an answer"), [Fenced]);
    let snapshot = entity.snapshot(1);
    subject.journal().save(other, std::slice::from_ref(&snapshot)).await.expect("an answer");
    let snapshot = SnapshotWrite { epoch: Epoch(now - 1), ..snapshot };
    subject.journal().save(subject.claim().node, &[snapshot]).await.expect("an answer");

    let stored = subject.journal().load(GYM, entity.address).await.expect("an answer").expect("an entity");
    assert_eq!((stored.tail.len(), stored.snapshot), (1, None));
    assert_eq!(reps_of(subject, entity).await, [5]);
}

/// From the moment another node holds a shard, its old holder writes nothing there, and goes on elsewhere.
pub async fn a_stolen_shard_fences_appends_and_snapshots(subject: &dyn Subject) {
    let lost = session(subject, 1, 1);
    let kept = session(subject, 2, 1);
    let live = |entity: Entity| entity.row(Phase::Live, 1, 1);
    let opened =
        [with_rows(lost.opens(1, 1), vec![live(lost)]), with_rows(kept.opens(2, 1), vec![live(kept)])];
    commit(subject, &opened).await;

    subject.steal(lost.address.shard()).await;
    let late = with_rows(lost.append(2, 3, 1), vec![lost.set(1, 5)]);
    let outcomes = commit(subject, &[late, kept.append(2, 4, 1)]).await;
    let snapshot =
        SnapshotWrite { rows: vec![lost.row(Phase::Finished, 1, 1), lost.set(1, 5)], ..lost.snapshot(1) };
    let saved = subject.journal().save(subject.claim().node, &[snapshot, kept.snapshot(2)]).await;
    saved.expect("an answer");

    assert_eq!(outcomes, [Fenced, Committed]);
    assert_eq!(events(subject, lost).await.map(|events| events.len()), Some(1));
    assert_eq!(reps_of(subject, lost).await, [0; 0]);
    assert_eq!(running(subject, &[lost]).await, [(lost.address, Version(1))]);
    let load = async |entity: Entity| {
        subject.journal().load(GYM, entity.address).await.expect("an answer").expect("an entity")
    };
    assert_eq!(load(lost).await.snapshot, None);
    assert_eq!(load(kept).await.snapshot, Some(kept.snapshot(2).snapshot));
}

/// A row that the store refuses takes its own append down, with all that goes with it, and no other.
pub async fn a_refused_row_never_fails_its_neighbours(subject: &dyn Subject) {
    let [first, bad, last] = [1, 2, 3].map(|id| session(subject, id, id));
    let mut second_is_bad = with_rows(bad.opens(2, 2), vec![bad.set(1, 5), bad.row(Phase::Live, 1, 1)]);
    second_is_bad.events[1].kind.clear();

    let outcomes = commit(subject, &[first.opens(1, 1), second_is_bad, last.opens(3, 1)]).await;

    assert!(matches!(&outcomes[..], [Committed, Refused(_), Committed]), "{outcomes:?}");
    assert!(events(subject, first).await.is_some());
    assert_eq!(events(subject, bad).await, None);
    assert_eq!(reps_of(subject, bad).await, [0; 0]);
    assert!(events(subject, last).await.is_some());
}

/// Each append has its answer at its place, whatever became of the others.
pub async fn mixed_outcomes_are_answered_in_order(subject: &dyn Subject) {
    let [fine, again, conflicting, bad] = [1, 2, 3, 4].map(|id| session(subject, id, id));
    let fenced = Entity { epoch: Epoch(fine.epoch.0 - 1), ..session(subject, 5, 5) };
    commit(subject, &[again.opens(1, 1), conflicting.opens(2, 1)]).await;

    let batch = [
        bad.append(1, 3, 1),
        fine.opens(4, 1),
        fenced.opens(5, 1),
        again.opens(1, 1),
        refused(bad.opens(6, 1)),
        conflicting.append(1, 7, 1),
        fine.append(2, 8, 1),
    ];
    let outcomes = commit(subject, &batch).await;

    assert!(
        matches!(&outcomes[..], [Conflict, Committed, Fenced, Committed, Refused(_), Conflict, Committed]),
        "{outcomes:?}"
    );
    assert_eq!(events(subject, fine).await.map(|events| events.len()), Some(2));
}

/// An address answers in its own gym only, and as if it were absent elsewhere.
pub async fn a_gym_never_reads_another_gyms_entity(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    commit(subject, &[with_rows(entity.opens(1, 1), vec![entity.row(Phase::Live, 1, 1)])]).await;
    let trespass =
        Append { gym: OTHER_GYM, ..Entity { stream: StreamId(Uuid::from_u128(3)), ..entity }.opens(2, 1) };

    let journal = subject.journal();
    assert!(journal.load(OTHER_GYM, entity.address).await.expect("an answer").is_none());
    assert_eq!(journal.events(OTHER_GYM, entity.address, Version(0), 9).await.expect("an answer"), None);
    assert_eq!(journal.running(OTHER_GYM, &[entity.address.owner]).await.expect("an answer"), []);
    assert_eq!(commit(subject, &[trespass]).await, [Conflict]);
    assert_eq!(running(subject, &[entity]).await, [(entity.address, Version(1))]);
}

/// With a snapshot, only the events after it are loaded; all of them can still be read.
pub async fn a_snapshot_shortens_the_tail(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    commit(subject, &[entity.opens(1, 3)]).await;
    let save = async |version| {
        let saved = subject.journal().save(subject.claim().node, &[entity.snapshot(version)]).await;
        saved.expect("an answer");
        subject.journal().load(GYM, entity.address).await.expect("an answer").expect("an entity")
    };

    let stored = save(2).await;
    assert_eq!(stored.snapshot, Some(entity.snapshot(2).snapshot));
    assert_eq!(stored.tail, [event(3, 1)]);
    let stored = save(3).await;
    assert_eq!(stored.snapshot, Some(entity.snapshot(3).snapshot));
    assert_eq!(stored.tail, []);
    assert_eq!(events(subject, entity).await.map(|events| events.len()), Some(3));
}

/// One question brings each entity with its own snapshot, tail and reminder, in the order asked for.
pub async fn many_entities_are_loaded_as_each_would_be(subject: &dyn Subject) {
    let [bare, saved, reminded, foreign] = [1, 2, 3, 4].map(|id| session(subject, 5 - id, id));
    let unopened = session(subject, 1, 9);
    let batch = [
        bare.opens(1, 12),
        saved.opens(2, 3),
        reminding(reminded.opens(3, 1), Remind::At(Timestamp(7))),
        Append { gym: OTHER_GYM, ..foreign.opens(4, 1) },
    ];
    assert_eq!(commit(subject, &batch).await, [Committed, Committed, Committed, Committed]);
    let journal = subject.journal();
    journal.save(subject.claim().node, &[saved.snapshot(2)]).await.expect("an answer");

    let asked = [reminded, unopened, bare, foreign, saved].map(|entity| entity.address);
    let loaded = journal.load_all(GYM, &asked).await.expect("an answer");

    let addresses: Vec<_> = loaded.iter().map(|(address, _)| *address).collect();
    assert_eq!(addresses, [reminded, bare, saved].map(|entity| entity.address));
    let [(_, reminded), (_, bare), (_, saved_now)] = &loaded[..] else { unreachable!("three of them") };
    assert_eq!((reminded.reminder, reminded.tail.len()), (Some(Timestamp(7)), 1));
    assert_eq!(bare.tail, (1..=12).map(|version| event(version, 1)).collect::<Vec<_>>());
    assert_eq!(
        (&saved_now.snapshot, &saved_now.tail),
        (&Some(saved.snapshot(2).snapshot), &vec![event(3, 2)])
    );
    assert_eq!(journal.load_all(GYM, &[]).await.expect("an answer").len(), 0);
}

/// A snapshot that was overtaken by a newer one changes nothing, nor do its rows.
pub async fn an_older_snapshot_is_ignored(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    commit(subject, &[entity.opens(1, 3)]).await;
    let newer = SnapshotWrite { rows: vec![entity.set(1, 8)], ..entity.snapshot(3) };
    let older = SnapshotWrite { rows: vec![entity.set(1, 2)], ..entity.snapshot(2) };

    subject.journal().save(subject.claim().node, &[newer.clone(), older]).await.expect("an answer");

    let stored = subject.journal().load(GYM, entity.address).await.expect("an answer").expect("an entity");
    assert_eq!(stored.snapshot, Some(newer.snapshot));
    assert_eq!(reps_of(subject, entity).await, [8]);
}

/// Reading goes on after a version, as far as a limit.
pub async fn events_are_read_in_pages(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    commit(subject, &[entity.opens(1, 5)]).await;
    let page = async |since, limit| {
        let page = subject.journal().events(GYM, entity.address, Version(since), limit).await;
        let page = page.expect("an answer").expect("an entity");
        page.iter().map(|event| event.version.0).collect::<Vec<_>>()
    };

    assert_eq!(page(0, 2).await, [1, 2]);
    assert_eq!(page(2, 2).await, [3, 4]);
    assert_eq!(page(4, 2).await, [5]);
    assert_eq!(page(5, 2).await, [0; 0]);
    assert_eq!(page(99, 2).await, [0; 0]);
}

/// A wall asks for many owners at once: the running sessions of all of them by their start, each with its
/// head, which later events have moved on from its row.
pub async fn running_lists_live_and_paused_sessions_newest_first(subject: &dyn Subject) {
    let live = session(subject, 1, 1);
    let paused = session(subject, 1, 2);
    let finished = session(subject, 2, 3);
    let planned = session(subject, 2, 4);
    let newest = session(subject, 3, 5);
    let stranger = session(subject, 4, 6);
    let batch = [
        with_rows(live.opens(1, 1), vec![live.row(Phase::Live, 1, 20)]),
        with_rows(paused.opens(2, 2), vec![paused.row(Phase::Paused, 2, 10)]),
        with_rows(finished.opens(3, 1), vec![finished.row(Phase::Live, 1, 30)]),
        with_rows(planned.opens(4, 1), vec![planned.row(Phase::Planned, 1, 40)]),
        with_rows(newest.opens(5, 1), vec![newest.row(Phase::Live, 1, 50)]),
        with_rows(stranger.opens(6, 1), vec![stranger.row(Phase::Live, 1, 60)]),
        live.append(2, 7, 3),
        with_rows(finished.append(2, 8, 1), vec![finished.row(Phase::Finished, 2, 30)]),
    ];
    assert!(commit(subject, &batch).await.iter().all(|outcome| *outcome == Committed));

    let found = running(subject, &[live, finished, newest]).await;

    let expected = [(newest, 1), (live, 4), (paused, 2)];
    assert_eq!(found, expected.map(|(entity, head)| (entity.address, Version(head))));
    assert_eq!(running(subject, &[]).await, []);
}

/// A row replaces what was stored under its key, within a batch too: the last one stands.
pub async fn read_rows_are_absolute(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let live = entity.row(Phase::Live, 1, 1);
    let batch = [
        with_rows(entity.opens(1, 1), vec![live.clone(), entity.set(2, 3), entity.set(1, 5)]),
        with_rows(entity.append(2, 2, 1), vec![live.clone(), entity.set(1, 6)]),
    ];
    commit(subject, &batch).await;
    assert_eq!(reps_of(subject, entity).await, [6, 3]);

    commit(subject, &[with_rows(entity.append(3, 3, 1), vec![live, entity.set(2, 4)])]).await;

    assert_eq!(reps_of(subject, entity).await, [6, 4]);
    assert_eq!(running(subject, &[entity]).await, [(entity.address, Version(3))]);
}

/// A set that says it is fresh and has a row, as one that was voided and is logged again, replaces it; its neighbours go
/// in as well.
pub async fn a_set_that_is_not_fresh_replaces_its_row(subject: &dyn Subject) {
    let [entity, neighbour, poison] = [1, 2, 3].map(|n| session(subject, n, n));
    commit(subject, &[with_rows(entity.opens(1, 1), vec![entity.set(1, 5)])]).await;

    let batch = [
        with_rows(neighbour.opens(1, 2), vec![neighbour.set(1, 7)]),
        with_rows(entity.append(2, 3, 1), vec![entity.set(1, 6)]),
        refused(with_rows(poison.opens(1, 4), vec![poison.set(1, 8)])),
    ];
    let outcomes = commit(subject, &batch).await;

    assert!(matches!(outcomes[..], [Committed, Committed, Refused(_)]), "{outcomes:?}");
    assert_eq!(reps_of(subject, entity).await, [6]);
    assert_eq!(reps_of(subject, neighbour).await, [7]);
    assert!(reps_of(subject, poison).await.is_empty());
}

/// A snapshot that is saved late does not bring a finished session back to a wall.
pub async fn a_sessions_row_never_goes_back(subject: &dyn Subject) {
    let entity = session(subject, 1, 1);
    let finished = with_rows(entity.append(2, 2, 1), vec![entity.row(Phase::Finished, 2, 1)]);
    commit(subject, &[with_rows(entity.opens(1, 1), vec![entity.row(Phase::Live, 1, 1)]), finished]).await;

    let late = SnapshotWrite { rows: vec![entity.row(Phase::Live, 1, 1)], ..entity.snapshot(1) };
    subject.journal().save(subject.claim().node, &[late]).await.expect("an answer");

    assert_eq!(running(subject, &[entity]).await, []);
}

/// Letters of one batch and of later ones come out in the order they went in, and an offer repeated adds none.
pub async fn letters_are_written_with_their_events_and_keep_their_order(subject: &dyn Subject) {
    let (ana, bo) = (session(subject, 1, 1), session(subject, 2, 1));
    let to = UserId(Uuid::from_u128(3));
    let first = with_letters(ana.opens(1, 1), vec![letter(to, 11), letter(to, 12)]);
    let second = with_letters(bo.opens(2, 1), vec![letter(to, 21), letter(ana.address.owner, 22)]);
    assert_eq!(commit(subject, &[first.clone(), second]).await, [Committed, Committed]);
    assert_eq!(commit(subject, &[first]).await, [Committed]);
    let third = with_letters(ana.append(2, 3, 1), vec![letter(to, 13)]);
    assert_eq!(commit(subject, &[third]).await, [Committed]);

    let under_way: Vec<_> = letters(subject, to).await.into_iter().map(|(_, row)| row).collect();
    assert_eq!(under_way, [letter(to, 11), letter(to, 12), letter(to, 21), letter(to, 13)]);
    let other_gym = subject.journal().letters(OTHER_GYM, to, 100).await.expect("an answer");
    assert_eq!(other_gym, []);
}

/// The append that holds its effect deletes it; nothing else can carry it again, nor anybody else at all.
pub async fn a_letter_is_carried_once(subject: &dyn Subject) {
    let (sender, recipient) = (session(subject, 1, 1), session(subject, 2, 1));
    let to = recipient.address.owner;
    commit(subject, &[with_letters(sender.opens(1, 1), vec![letter(to, 11), letter(to, 12)])]).await;
    let ids: Vec<LetterId> = letters(subject, to).await.into_iter().map(|(id, _)| id).collect();

    let stranger = carrying(sender.append(2, 9, 1), vec![ids[0]]);
    assert_eq!(commit(subject, &[stranger]).await, [Conflict]);
    let carried = carrying(recipient.opens(11, 1), vec![ids[0]]);
    assert_eq!(commit(subject, std::slice::from_ref(&carried)).await, [Committed]);
    assert_eq!(commit(subject, &[carried]).await, [Committed], "the same rows again");
    assert_eq!(commit(subject, &[carrying(recipient.append(2, 11, 1), vec![ids[0]])]).await, [Conflict]);

    assert_eq!(letters(subject, to).await.len(), 1);
    assert_eq!(events(subject, recipient).await.map(|events| events.len()), Some(1));
}

/// Who lost the shard does not write letters, nor take any away.
pub async fn a_fenced_append_neither_writes_nor_carries_letters(subject: &dyn Subject) {
    let (sender, recipient) = (session(subject, 1, 1), session(subject, 2, 1));
    let to = recipient.address.owner;
    commit(subject, &[with_letters(sender.opens(1, 1), vec![letter(to, 11)])]).await;
    let id = letters(subject, to).await[0].0;
    subject.steal(recipient.address.shard()).await;
    subject.steal(sender.address.shard()).await;

    let carried = carrying(recipient.opens(11, 1), vec![id]);
    let written = with_letters(sender.append(2, 3, 1), vec![letter(to, 12)]);
    let moved = reminding(Append { events: Vec::new(), ..sender.append(2, 3, 1) }, Remind::At(Timestamp(5)));
    assert_eq!(commit(subject, &[carried, written, moved]).await, [Fenced, Fenced, Fenced]);

    assert_eq!(letters(subject, to).await.len(), 1);
    assert_eq!(subject.journal().reminders(Timestamp(i64::MAX), 10).await.expect("an answer"), []);
}

/// However many letters wait for one recipient, the others are found.
pub async fn recipients_are_found_in_pages(subject: &dyn Subject) {
    let sender = session(subject, 1, 1);
    let people: Vec<UserId> = (10..15).map(|number| UserId(Uuid::from_u128(number))).collect();
    let many = people.iter().flat_map(|to| (0..20).map(|number| letter(*to, number)));
    commit(subject, &[with_letters(sender.opens(1, 1), many.collect())]).await;

    let mut found = Vec::new();
    let mut after = UserId(Uuid::nil());
    loop {
        let page = subject.journal().recipients(after, 2).await.expect("an answer");
        assert!(page.len() <= 2);
        let Some((_, last)) = page.last() else { break };
        after = *last;
        found.extend(page);
    }
    assert_eq!(found, people.into_iter().map(|to| (GYM, to)).collect::<Vec<_>>());
}

/// It is set, moved with events or without, read back with the entity, and gone.
pub async fn a_reminder_follows_its_entity(subject: &dyn Subject) {
    let (ana, bo) = (session(subject, 1, 1), session(subject, 2, 1));
    let journal = subject.journal();
    let at = |at| Remind::At(Timestamp(at));
    let due = async |until| journal.reminders(Timestamp(until), 10).await.expect("an answer");
    commit(subject, &[reminding(ana.opens(1, 1), at(50)), reminding(bo.opens(2, 1), at(40))]).await;

    let reminder = |at, entity: Entity| Reminder { at: Timestamp(at), gym: GYM, address: entity.address };
    assert_eq!(due(49).await, [reminder(40, bo)]);
    assert_eq!(due(50).await, [reminder(40, bo), reminder(50, ana)]);
    let bare = Append { events: Vec::new(), ..bo.append(2, 3, 1) };
    assert_eq!(commit(subject, &[reminding(bare, at(90))]).await, [Committed]);
    assert_eq!(commit(subject, &[ana.append(2, 4, 1)]).await, [Committed]);
    assert_eq!(due(90).await, [reminder(50, ana), reminder(90, bo)]);
    let stored = journal.load(GYM, bo.address).await.expect("an answer").expect("an entity");
    assert_eq!(stored.reminder, Some(Timestamp(90)));

    commit(subject, &[reminding(ana.append(3, 5, 1), Remind::Never)]).await;
    assert_eq!(due(90).await, [reminder(90, bo)]);
}
