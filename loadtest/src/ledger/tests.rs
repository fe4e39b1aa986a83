use spotter_protocol::SessionId;
use uuid::Uuid;

use super::owed::Comings;
use super::*;

const RUN: u32 = 7;

/// A ledger of two gyms with one athlete each; reader 0 follows the session of the first.
struct Fixture {
    ledger: Ledger,
    athletes: [UserId; 2],
    sessions: [Address; 2],
}

impl Fixture {
    fn new() -> Self {
        let mut ledger = Ledger::default();
        let athletes = [UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2))];
        let sessions = athletes.map(|user| Address::session(user, SessionId(Uuid::from_u128(9))));
        let now = Instant::now();
        for gym in [0, 1] {
            ledger.person(athletes[usize::from(gym)], gym);
            ledger.open(sessions[usize::from(gym)], gym, gym.into());
        }
        ledger.reader(0, false);
        ledger.follow(sessions[0], 0);
        // A start, and three sets at the versions 2, 3 and 4.
        for number in 0..=3 {
            ledger.sent(sessions[0], (number > 0).then_some((number, now)));
            ledger.acknowledged(sessions[0], (number > 0).then_some(number), Version(u64::from(number) + 1));
        }
        Self { ledger, athletes, sessions }
    }

    /// The events of these versions come to the reader.
    fn hear(mut self, versions: &[u64]) -> Self {
        for version in versions {
            let set = if *version == 1 { Set::None } else { self.set(*version as u32 - 1) };
            self.ledger.event(0, self.sessions[0], Version(*version), set);
        }
        self
    }

    fn set(&self, number: u32) -> Set {
        Set::Of(Stamp { run: RUN, gym: 0, athlete: 0, number })
    }

    /// Lost, doubled, reordered, leaked.
    fn settled(self) -> [u64; 4] {
        let found = self.ledger.settle();
        [found.lost, found.doubled, found.reordered, found.leaked]
    }
}

#[test]
fn what_comes_once_and_in_order_is_delivered() {
    let fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    assert!(fixture.ledger.is_whole(0));
    let found = fixture.ledger.settle();
    assert_eq!((found.acknowledged, found.delivered, found.lost), (4, 4, 0));
    assert!(found.examples.is_empty(), "{:?}", found.examples);
}

#[test]
fn what_never_comes_is_lost_wherever_it_is_missing() {
    assert_eq!(Fixture::new().hear(&[2, 3, 4]).settled(), [1, 0, 0, 0], "the first");
    assert_eq!(Fixture::new().hear(&[1, 2, 4]).settled(), [1, 0, 0, 0], "one between");
    assert_eq!(Fixture::new().hear(&[1, 2]).settled(), [2, 0, 0, 0], "the last two");
    assert_eq!(Fixture::new().hear(&[]).settled(), [4, 0, 0, 0], "all");
}

#[test]
fn what_comes_twice_is_doubled() {
    assert_eq!(Fixture::new().hear(&[1, 2, 2, 3, 4]).settled(), [0, 1, 0, 0]);
}

#[test]
fn what_comes_after_later_events_is_reordered_and_not_lost() {
    assert_eq!(Fixture::new().hear(&[1, 3, 2, 4]).settled(), [0, 0, 1, 0]);
}

#[test]
fn a_set_that_is_stored_twice_or_out_of_order_is_told_by_its_number() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    let again = fixture.set(3);
    fixture.ledger.event(0, fixture.sessions[0], Version(5), again);
    assert_eq!(fixture.settled(), [0, 1, 0, 0]);

    let mut fixture = Fixture::new().hear(&[1]);
    for (version, number) in [(2, 2), (3, 1), (4, 3)] {
        let set = fixture.set(number);
        fixture.ledger.event(0, fixture.sessions[0], Version(version), set);
    }
    assert_eq!(fixture.settled(), [0, 0, 1, 0]);
}

#[test]
fn a_version_without_its_set_is_a_lost_set() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    fixture.ledger.event(0, fixture.sessions[0], Version(4), Set::None);
    assert_eq!(fixture.settled(), [1, 0, 0, 0]);
}

#[test]
fn what_another_gym_did_is_leaked() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    let foreign = Set::Of(Stamp { run: RUN, gym: 1, athlete: 1, number: 1 });
    fixture.ledger.event(0, fixture.sessions[1], Version(1), foreign);
    fixture.ledger.event(0, fixture.sessions[0], Version(5), foreign);
    fixture.ledger.snapshot(0, fixture.sessions[1], Version(1), &[]);
    fixture.ledger.tile(0, fixture.athletes[1], None);
    assert_eq!(fixture.settled(), [0, 0, 0, 4]);
}

#[test]
fn a_snapshot_stands_for_the_events_before_it() {
    let mut fixture = Fixture::new().hear(&[1]);
    let sets = [1, 2].map(|number| fixture.set(number));
    fixture.ledger.snapshot(0, fixture.sessions[0], Version(3), &sets);
    assert_eq!(fixture.hear(&[4]).settled(), [0, 0, 0, 0]);
}

#[test]
fn a_snapshot_that_lacks_a_set_has_lost_it() {
    let mut fixture = Fixture::new();
    let sets = [1, 3].map(|number| fixture.set(number));
    fixture.ledger.snapshot(0, fixture.sessions[0], Version(4), &sets);
    assert_eq!(fixture.settled(), [1, 0, 0, 0]);
}

#[test]
fn two_commands_at_one_version_are_one_too_few() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    fixture.ledger.sent(fixture.sessions[0], None);
    fixture.ledger.acknowledged(fixture.sessions[0], Some(4), Version(4));
    assert_eq!(fixture.settled(), [1, 0, 0, 0]);
}

#[test]
fn what_is_stored_must_be_what_was_acknowledged() {
    let stored = |version, numbers: &[u32], own| {
        let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
        let sets: Vec<_> = numbers.iter().map(|number| fixture.set(*number)).collect();
        fixture.ledger.stored(fixture.sessions[0], Version(version), &sets, own);
        fixture.settled()
    };
    assert_eq!(stored(4, &[1, 2, 3], 0), [0, 0, 0, 0]);
    assert_eq!(stored(4, &[1, 3], 0), [1, 0, 0, 0], "a set is missing");
    assert_eq!(stored(2, &[1], 0), [2, 0, 0, 0], "the end is missing");
    assert_eq!(stored(5, &[1, 2, 3], 0), [0, 1, 0, 0], "an event more than commands");
    assert_eq!(stored(5, &[1, 2, 3], 1), [0, 0, 0, 0], "a record that the server announced");
}

#[test]
fn a_wall_has_to_come_to_the_newest_version_and_never_goes_back() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    let coach = fixture.ledger.reader(0, true);
    let (athlete, session) = (fixture.athletes[0], SessionId(fixture.sessions[0].id));
    assert!(!fixture.ledger.is_whole(coach), "no tile yet");

    assert!(fixture.ledger.tile(coach, athlete, Some((session, Version(4), 3))).is_some());
    assert!(fixture.ledger.is_whole(coach));
    let rested = fixture.ledger.tile(coach, athlete, Some((session, Version(5), 3)));
    assert!(rested.is_none(), "no news of a set");

    fixture.ledger.tile(coach, athlete, Some((session, Version(3), 2)));
    assert_eq!(fixture.settled(), [1, 0, 1, 0], "reordered, and the newest is not what it shows");
}

#[test]
fn a_wall_shows_no_session_that_has_ended() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    let coach = fixture.ledger.reader(0, true);
    let (athlete, session) = (fixture.athletes[0], SessionId(fixture.sessions[0].id));
    fixture.ledger.tile(coach, athlete, Some((session, Version(3), 2)));
    fixture.ledger.tile(coach, athlete, None);
    assert!(!fixture.ledger.is_whole(coach), "it still runs");

    fixture.ledger.finished(fixture.sessions[0]);

    assert!(fixture.ledger.is_whole(coach));
    assert_eq!(fixture.settled(), [0, 0, 0, 0]);
}

#[test]
fn a_session_that_a_reader_has_whole_may_be_left_and_owes_nothing_more() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    assert!(!fixture.ledger.leave(fixture.sessions[0], 0), "one is missing");
    let mut fixture = fixture.hear(&[4]);
    assert!(fixture.ledger.leave(fixture.sessions[0], 0));

    fixture.ledger.sent(fixture.sessions[0], None);
    fixture.ledger.acknowledged(fixture.sessions[0], None, Version(5));
    let fixture = fixture.hear(&[4]);

    assert!(fixture.ledger.is_whole(0));
    let found = fixture.ledger.settle();
    assert_eq!((found.acknowledged, found.delivered, found.lost, found.doubled), (5, 4, 0, 0));
}

#[test]
fn a_session_that_is_over_and_has_come_to_everybody_is_forgotten_and_counted() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    let (session, later) = (fixture.sessions[0], Instant::now() + std::time::Duration::from_secs(60));
    assert!(fixture.ledger.over(later).is_empty(), "it goes on");
    fixture.ledger.close(session);
    assert!(fixture.ledger.over(later).is_empty(), "one is missing");

    let mut fixture = fixture.hear(&[4]);

    assert!(fixture.ledger.over(Instant::now()).is_empty(), "something may be under way");
    assert_eq!(fixture.ledger.over(later), [(session, 0, 0)]);
    fixture.ledger.forget(session);
    let found = fixture.ledger.settle();
    assert_eq!((found.acknowledged, found.delivered, found.lost), (4, 4, 0));
}

#[test]
fn what_comes_of_a_forgotten_session_is_caught() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    fixture.ledger.forget(fixture.sessions[0]);
    assert_eq!(fixture.hear(&[4]).settled(), [0, 0, 0, 1]);
}

#[test]
fn all_is_well_when_everything_sent_before_is_answered_and_has_reached_everybody() {
    let Fixture { mut ledger, sessions: [session, _], .. } = Fixture::new().hear(&[1, 2, 3]);
    ledger.sent(session, None);
    let mut owed = ledger.owed(Comings::new());
    // What is sent from now on is not waited for.
    ledger.sent(session, None);
    assert!(!ledger.is_paid(&mut owed), "a command waits, and a copy");

    ledger.acknowledged(session, None, Version(5));
    assert!(!ledger.is_paid(&mut owed), "two copies wait");
    ledger.event(0, session, Version(4), Set::None);
    assert!(!ledger.is_paid(&mut owed), "a copy waits");
    ledger.event(0, session, Version(5), Set::None);

    assert!(ledger.is_paid(&mut owed));
}

#[test]
fn a_command_refused_for_good_is_answered() {
    let Fixture { mut ledger, sessions: [session, _], .. } = Fixture::new().hear(&[1, 2, 3, 4]);
    ledger.sent(session, None);
    let mut owed = ledger.owed(Comings::new());
    ledger.refused(session);
    assert!(ledger.is_paid(&mut owed));
}

#[test]
fn all_is_well_when_whoever_was_cut_off_is_back() {
    let mut ledger = Fixture::new().hear(&[1, 2, 3, 4]).ledger;
    let [phone, reader] = [Client::Phone(0), Client::Reader(0)];
    ledger.came(phone, 0);
    ledger.came(reader, 0);
    // It is cut off, but has not noticed yet.
    let mut owed = ledger.owed(ledger.anew(&[phone]));
    assert!(!ledger.is_paid(&mut owed));

    ledger.left(phone);
    assert!(!ledger.is_paid(&mut owed));
    ledger.came(phone, 0);
    assert!(ledger.is_paid(&mut owed));

    ledger.left(reader);
    assert!(!ledger.is_paid(&mut owed), "nobody may be away, whoever was meant");
}

#[test]
fn whoever_is_connected_to_a_node_is_known() {
    let mut ledger = Ledger::default();
    let [phone, reader, gone] = [Client::Phone(0), Client::Reader(0), Client::Phone(1)];
    ledger.came(phone, 0);
    ledger.came(reader, 1);
    ledger.came(gone, 1);
    ledger.left(gone);
    assert_eq!(ledger.connected(Some(1)), [reader]);
    ledger.came(gone, 0);
    assert_eq!(ledger.connected(Some(0)), [phone, gone]);
    assert_eq!(ledger.connected(None), [phone, gone, reader]);
}

#[test]
fn whoever_is_without_signal_is_not_waited_for() {
    let Fixture { mut ledger, sessions: [session, _], .. } = Fixture::new().hear(&[1, 2, 3, 4]);
    ledger.came(Client::Phone(0), 0);
    ledger.lost_signal(Client::Phone(0));
    ledger.sent(session, None);
    let mut owed = ledger.owed(ledger.anew(&[Client::Phone(0)]));
    assert!(ledger.is_paid(&mut owed));
}

#[test]
fn all_is_well_when_the_walls_show_the_newest() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3, 4]);
    let coach = fixture.ledger.reader(0, true);
    let (athlete, session) = (fixture.athletes[0], SessionId(fixture.sessions[0].id));
    let mut owed = fixture.ledger.owed(Comings::new());
    fixture.ledger.tile(coach, athlete, Some((session, Version(3), 2)));
    assert!(!fixture.ledger.is_paid(&mut owed));
    fixture.ledger.tile(coach, athlete, Some((session, Version(4), 3)));
    assert!(fixture.ledger.is_paid(&mut owed));
}
