//! What is true after every history.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use spotter_actors::{Answer, CatchUp, Engine, EventRow, Journal, SimulatedJournal};
use spotter_protocol::{
    Address, ClientId, CommandId, EntityKind, EntityView, ErrorCode, InboxEvent, MessageId, Persistence,
    Recorded, RoomEvent, SessionEvent, UserId, Version, View, Vocabulary,
};
use spotter_rules::{ANSWERS_MAX, Entity, Inbox, Room, Rules, Session};

use uuid::Uuid;

use crate::GYM;
use crate::phone::{Told, send};

/// The wait before something is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// Versions are consecutive, a command's events stand together and once, each device's commands stand in the
/// order of their numbers, and everybody was told the version that their command reached.
pub(crate) fn the_journal_tells_one_story(rows: &[EventRow], address: Address, told: &[Told]) {
    let versions = rows.iter().map(|row| row.version.0);
    assert!(versions.eq(1..=rows.len() as u64), "versions are consecutive");

    let mut reached: BTreeMap<CommandId, Version> = BTreeMap::new();
    let mut newest: BTreeMap<(UserId, ClientId), u64> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let stamp = &row.stamp;
        let goes_on = place > 0 && rows[place - 1].stamp.command == stamp.command;
        assert!(goes_on || !reached.contains_key(&stamp.command), "a command is done once");
        if stamp.client == ClientId::SERVER {
            // Letters, receipts and new streams: nobody's device counts them.
            continue;
        }
        reached.insert(stamp.command, row.version);
        let newest = newest.entry((stamp.author, stamp.client)).or_default();
        assert!(goes_on || stamp.n > *newest, "a device's commands are done in turn");
        *newest = stamp.n;
    }

    for told in told.iter().filter(|told| told.frame.to == address) {
        match told.outcome {
            // A repeat that is older than the answers kept is told the newest version of its client.
            Ok(version) => assert!(reached[&told.frame.id] <= version, "what was accepted is there"),
            Err(code) => assert!(!reached.contains_key(&told.frame.id), "{code} {:?} is there", told.frame),
        }
    }
    let accepted = told.iter().filter(|told| told.frame.to == address && told.outcome.is_ok()).count();
    assert_eq!(accepted, reached.len(), "nothing is there that was not accepted");
}

/// The histories knew every kind of event that people cause. The others take hours of silence, an acknowledgement on a
/// socket or a changed link.
pub(crate) fn nearly_everything_happened(kinds: &BTreeSet<String>) {
    const ELSEWHERE: [&str; 5] =
        ["abandoned", "cue_delivered", "messages_delivered", "notified", "notifications_read"];
    let session = SessionEvent::KINDS.iter().map(|kind| SessionEvent::name(*kind));
    let inbox = InboxEvent::KINDS.iter().map(|kind| InboxEvent::name(*kind));
    let room = RoomEvent::KINDS.iter().map(|kind| RoomEvent::name(*kind));
    let all = session.chain(inbox).chain(room);
    let missing: Vec<&str> = all.filter(|kind| !kinds.contains(*kind) && !ELSEWHERE.contains(kind)).collect();
    assert!(missing.is_empty(), "no history has {missing:?}");
}

/// Waits until no letter is under way: nobody is left who would not take one.
pub(crate) async fn everything_is_carried(journal: &SimulatedJournal) {
    while !journal.recipients(UserId(Uuid::nil()), 1).await.unwrap().is_empty() {
        tokio::time::sleep(AGAIN).await;
    }
}

/// What `from` sent to `to` is what `to` received, each message once and in order.
pub(crate) fn messages_arrive_once_and_in_order(journal: &SimulatedJournal, from: UserId, to: UserId) {
    let sent = of_inbox(journal, from).into_iter().filter_map(|event| match event {
        InboxEvent::MessageSent(sent) if sent.to == to => Some(sent.id),
        _ => None,
    });
    let received = of_inbox(journal, to).into_iter().filter_map(|event| match event {
        InboxEvent::MessageReceived(received) if received.from == from => Some(received.id),
        _ => None,
    });
    let sent: Vec<MessageId> = sent.collect();
    assert!(!sent.is_empty(), "somebody wrote");
    assert_eq!(sent, received.collect::<Vec<_>>());
}

fn of_inbox(journal: &SimulatedJournal, owner: UserId) -> Vec<InboxEvent> {
    let rows = journal.history(GYM, Address::inbox(owner));
    let read = |row: &EventRow| {
        Recorded::<InboxEvent>::read(row.version, row.stamp, &row.kind, row.schema, &row.body).unwrap().event
    };
    rows.iter().map(read).collect()
}

/// The state that a subscriber is given is what its journal folds to, from the first event on.
pub(crate) async fn the_state_is_its_journal(engine: &Engine, address: Address, rows: &[EventRow]) {
    let given = match engine.catch_up(GYM, address, None, View::Athlete).await {
        Ok(CatchUp::Snapshot(version, state)) => Some((version, state)),
        Err(fault) if fault.code == ErrorCode::NotFound => None,
        other => panic!("{other:?}"),
    };
    let folded = match address.kind {
        EntityKind::Session => fold::<Session>(rows),
        EntityKind::Room => fold::<Room>(rows),
        EntityKind::Inbox => fold::<Inbox>(rows),
    };
    assert_eq!(given, folded);
}

fn fold<S: Rules>(rows: &[EventRow]) -> Option<(Version, EntityView)> {
    let read = |row: &EventRow| {
        Recorded::<S::Event>::read(row.version, row.stamp, &row.kind, row.schema, &row.body).unwrap()
    };
    let events: Vec<_> = rows.iter().map(read).collect();
    let entity = Entity::<S>::replay(&events).unwrap();
    entity.state().view(View::Athlete).map(|view| (entity.head(), view))
}

/// Each of the newest commands of each device, sent once more, is answered as it was and changes nothing.
pub(crate) async fn repeats_are_answered_as_before(engine: &Engine, told: &[Told]) {
    let mut by_device: BTreeMap<(Address, UserId, ClientId), Vec<&Told>> = BTreeMap::new();
    for told in told.iter().filter(|told| told.outcome.is_ok()) {
        by_device.entry((told.frame.to, told.author, told.frame.client)).or_default().push(told);
    }
    for mut of_device in by_device.into_values() {
        of_device.sort_by_key(|told| std::cmp::Reverse(told.frame.n));
        for told in of_device.into_iter().take(ANSWERS_MAX).step_by(7) {
            let again = async || send(engine, told.author, told.frame.clone(), 0).await.unwrap();
            let answer = settled(again).await;
            assert_eq!(answer.map(|done| (Ok(done.version), done.repeat)), Ok((told.outcome, true)));
        }
    }
}

/// Every command that its sender was told was given up is kept. Offered again it is done at last, once: its sender,
/// who may have missed the news, may have had it done meanwhile. Answers what everybody was told with that.
pub(crate) async fn what_was_given_up_is_done_at_last(engine: &Engine, mut told: Vec<Told>) -> Vec<Told> {
    let letters = engine.dead_letters().await.unwrap();
    for told in told.iter().filter(|told| told.outcome == Err(ErrorCode::Abandoned)) {
        assert!(letters.iter().any(|letter| letter.command == told.frame.id), "it is kept");
    }
    for letter in letters {
        let told = told.iter_mut().find(|told| told.frame.id == letter.command).unwrap();
        match settled(async || engine.offer_again(letter.id).await.unwrap().unwrap()).await {
            Ok(done) if told.outcome.is_ok() => assert!(done.repeat, "{told:?}"),
            Ok(done) => told.outcome = Ok(done.version),
            // Judged by itself it can be refused for what it asks, but not for its number.
            Err(fault) => assert_ne!(fault.code, ErrorCode::OutOfOrder),
        }
    }
    told
}

/// Asks until the answer is for good: the last failures are still to be recovered from.
async fn settled(ask: impl AsyncFn() -> Answer) -> Answer {
    loop {
        match ask().await {
            Err(fault) if fault.kind == Persistence::Temporary => tokio::time::sleep(AGAIN).await,
            answer => return answer,
        }
    }
}
