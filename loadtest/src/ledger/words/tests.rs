use spotter_protocol::SessionId;
use uuid::Uuid;

use super::*;
use crate::ledger::Set;

const RUN: u32 = 7;
const ATHLETE: UserId = UserId(Uuid::from_u128(1));
const COACH: UserId = UserId(Uuid::from_u128(2));
const OTHER: UserId = UserId(Uuid::from_u128(3));
const STRANGER: UserId = UserId(Uuid::from_u128(4));

/// An athlete, a coach and another athlete of one gym, somebody of another. Reader 0 follows the athlete's inbox and
/// session, which begins at version 1; the coach writes three messages at the versions 1 to 3 of their own inbox.
struct Fixture {
    ledger: Ledger,
    session: Address,
    messages: Vec<Word>,
}

impl Fixture {
    fn new() -> Self {
        let mut ledger = Ledger::default();
        for (user, gym) in [(ATHLETE, 0), (COACH, 0), (OTHER, 0), (STRANGER, 1)] {
            ledger.person(user, gym);
            ledger.open_inbox(user);
        }
        let session = Address::session(ATHLETE, SessionId(Uuid::from_u128(9)));
        ledger.open(session, 0, 0);
        ledger.reader(0, false);
        ledger.follow(session, 0);
        ledger.follow(Address::inbox(ATHLETE), 0);
        ledger.sent(session, None);
        ledger.acknowledged(session, None, Version(1));
        ledger.event(0, session, Version(1), Set::None);
        let (now, from) = (Some(Instant::now()), Address::inbox(COACH));
        let messages: Vec<_> = (0..3).map(|_| ledger.say(RUN, from, COACH, ATHLETE, now)).collect();
        assert!(!ledger.is_whole(0), "words are under way");
        for (word, version) in messages.iter().zip(1..) {
            ledger.answered(from, *word, Some(Version(version)));
        }
        Self { ledger, session, messages }
    }

    /// These messages come to the reader, one after another.
    fn hear(mut self, numbers: &[usize]) -> Self {
        for (number, version) in numbers.iter().zip(1..) {
            let word = self.messages[number - 1];
            self.ledger.word(0, Address::inbox(ATHLETE), Version(version), Some(word));
        }
        self
    }

    /// A cue of the coach, acknowledged at version 2 of the session.
    fn cue(&mut self) -> Word {
        let cue = self.ledger.say(RUN, self.session, COACH, ATHLETE, Some(Instant::now()));
        self.ledger.answered(self.session, cue, Some(Version(2)));
        cue
    }

    /// Lost, doubled, reordered, leaked.
    fn settled(self) -> [u64; 4] {
        let found = self.ledger.settle();
        [found.lost, found.doubled, found.reordered, found.leaked]
    }
}

#[test]
fn messages_that_come_once_and_in_order_are_delivered() {
    let fixture = Fixture::new().hear(&[1, 2, 3]);
    assert!(fixture.ledger.is_whole(0));
    let found = fixture.ledger.settle();
    assert_eq!((found.acknowledged, found.delivered), (4, 4), "a start and three messages");
    assert!(found.examples.is_empty(), "{:?}", found.examples);
}

#[test]
fn a_message_is_lost_doubled_or_reordered_by_its_number() {
    assert_eq!(Fixture::new().hear(&[1, 3]).settled(), [1, 0, 0, 0], "one between");
    assert_eq!(Fixture::new().hear(&[]).settled(), [3, 0, 0, 0], "all");
    assert_eq!(Fixture::new().hear(&[1, 2, 2, 3]).settled(), [0, 1, 0, 0]);
    assert_eq!(Fixture::new().hear(&[2, 1, 3]).settled(), [0, 0, 1, 0]);
}

#[test]
fn a_cue_must_come_to_whoever_follows_the_session() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    fixture.cue();
    assert!(!fixture.ledger.is_whole(0));
    assert_eq!(fixture.settled(), [1, 0, 0, 0]);

    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    let (cue, session) = (fixture.cue(), fixture.session);
    assert!(fixture.ledger.word(0, session, Version(2), Some(cue)).is_some(), "and is measured");
    assert_eq!(fixture.settled(), [0; 4]);
}

#[test]
fn a_version_without_its_cue_is_a_lost_cue() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    fixture.cue();
    fixture.ledger.event(0, fixture.session, Version(2), Set::None);
    assert_eq!(fixture.settled(), [1, 0, 0, 0]);
}

#[test]
fn what_is_said_to_others_is_leaked() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    let (ours, theirs) = (Address::inbox(ATHLETE), Address::inbox(STRANGER));
    let aside = fixture.ledger.say(RUN, Address::inbox(COACH), COACH, OTHER, None);
    fixture.ledger.answered(Address::inbox(COACH), aside, Some(Version(4)));
    let foreign = Word { gym: 1, ..fixture.messages[0] };
    fixture.ledger.word(0, ours, Version(4), Some(aside));
    fixture.ledger.word(0, ours, Version(5), Some(foreign));
    fixture.ledger.word(0, theirs, Version(1), Some(foreign));
    fixture.ledger.word(0, fixture.session, Version(2), None);
    fixture.ledger.page(ours, &[aside]);
    assert_eq!(fixture.settled(), [0, 0, 0, 5]);
}

#[test]
fn what_others_wrote_before_the_run_is_nobodys_fault() {
    let mut fixture = Fixture::new().hear(&[1, 2, 3]);
    fixture.ledger.word(0, Address::inbox(ATHLETE), Version(4), None);
    assert_eq!(fixture.settled(), [0; 4]);
}

#[test]
fn words_of_the_run_with_somebody_who_is_not_known_are_leaked() {
    let unknown = UserId(Uuid::from_u128(99));
    let told = |words| {
        let mut fixture = Fixture::new().hear(&[1, 2, 3]);
        fixture.ledger.told(0, Address::inbox(ATHLETE), &[Told { with: unknown, words, whole: true }]);
        fixture.settled()
    };
    assert_eq!(told(vec![Word { run: RUN, gym: 1, from: 1, to: 0, number: 1 }]), [0, 0, 0, 1]);
    assert_eq!(told(Vec::new()), [0; 4], "of an older run");
}

#[test]
fn a_state_stands_for_the_messages_that_it_is_too_short_to_show() {
    let shown = |words: &[usize], whole| {
        let mut fixture = Fixture::new();
        let words = words.iter().map(|number| fixture.messages[number - 1]).collect();
        let inbox = Address::inbox(ATHLETE);
        fixture.ledger.snapshot(0, inbox, Version(3), &[]);
        fixture.ledger.told(0, inbox, &[Told { with: COACH, words, whole }]);
        fixture.settled()
    };
    assert_eq!(shown(&[1, 2, 3], true), [0; 4]);
    assert_eq!(shown(&[2, 3], false), [0; 4]);
    assert_eq!(shown(&[2, 3], true), [1, 0, 0, 0], "all that there is lacks one");
    assert_eq!(shown(&[1, 3], false), [1, 0, 0, 0], "one between the shown");
    assert_eq!(shown(&[1, 2, 2, 3], true), [0, 1, 0, 0]);
    assert_eq!(shown(&[2, 1, 3], true), [0, 0, 1, 0]);
}

#[test]
fn both_inboxes_must_hold_what_was_acknowledged() {
    let fixture = Fixture::new();
    assert_eq!(fixture.ledger.conversations(), [(ATHLETE, COACH), (COACH, ATHLETE)]);
    let stored = |numbers: &[usize]| {
        let mut fixture = Fixture::new().hear(&[1, 2, 3]);
        let words = numbers.iter().map(|number| fixture.messages[number - 1]).collect();
        fixture.ledger.conversation_stored(COACH, ATHLETE, Ok(words));
        fixture.settled()
    };
    assert_eq!(stored(&[1, 2, 3]), [0; 4]);
    assert_eq!(stored(&[1, 3]), [1, 0, 0, 0]);
    assert_eq!(stored(&[1, 2, 2, 3]), [0, 1, 0, 0]);
    assert_eq!(stored(&[1, 3, 2]), [0, 0, 1, 0]);
}

#[test]
fn a_session_that_is_over_is_remembered_while_a_cue_is_under_way() {
    let Fixture { mut ledger, session, .. } = Fixture::new();
    let later = Instant::now() + std::time::Duration::from_secs(60);
    ledger.close(session);
    let cue = ledger.say(RUN, session, COACH, ATHLETE, None);
    assert!(ledger.over(later).is_empty());

    ledger.answered(session, cue, None);

    assert_eq!(ledger.over(later), [(session, 0, 0)]);
}
