//! What nodes say to one another. Each message names the node that sends it in its first 16 bytes, so that whoever hears
//! their own words need not read them; the rest is MessagePack with named fields. A message that a build does not know is
//! left out, as if it had been lost.

use serde::{Deserialize, Serialize};
use spotter_actors::{Answer, Ask, Done, EventNews, Publication, ReplyTo, SignalNews};
use spotter_protocol::{
    Address, CommandFrame, Event, Fault, Glance, GymId, PublishedEvent, Shown, SignalFrame, Timestamp,
    UserId, Version,
};
use spotter_rules::Connected;
use uuid::Uuid;

/// What one node says to another, or to all.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// A command for an entity whose shard you hold; answer it under its number.
    Command(u64, Box<Forwarded>),
    /// What became of the command that you gave this number.
    Answer(u64, Result<Answered, Fault>),
    /// Letters wait for somebody whose inbox you hold.
    Letters(GymId, UserId),
    /// These people are connected to me, or were: since when, and until when. What I said before about any is void when
    /// the first is true.
    People(bool, Vec<(UserId, Timestamp, Option<Timestamp>)>),
    /// I do not know yet who is connected to you.
    WhoIsThere,
    /// Some of what I told about these people may not have arrived; of everybody, where nobody is named.
    Missed(Vec<UserId>),
    /// Shards have changed hands: look.
    Look,
}

/// A command on its way to the node that holds its entity. Rights have been judged.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Forwarded {
    gym: GymId,
    author: UserId,
    frame: CommandFrame,
    offset: i64,
    received_at: Timestamp,
}

/// An accepted command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answered {
    version: Version,
    repeat: bool,
}

impl Forwarded {
    /// A command, and where its answer goes.
    pub(super) fn of(ask: Ask) -> (Self, ReplyTo) {
        let Ask { gym, author, frame, offset, received_at, reply, .. } = ask;
        (Self { gym, author, frame, offset, received_at }, reply)
    }

    pub(super) fn ask(self, reply: ReplyTo) -> Ask {
        Ask::new(self.gym, self.author, self.frame, self.offset, self.received_at, reply)
    }
}

impl Message {
    pub(super) fn answer(number: u64, answer: Answer) -> Self {
        Self::Answer(number, answer.map(|Done { version, repeat }| Answered { version, repeat }))
    }

    pub(super) fn person(user: UserId, connected: Connected) -> Self {
        Self::People(false, vec![(user, connected.since, connected.closed_at)])
    }
}

impl Answered {
    pub(super) const fn done(self) -> Done {
        Done { version: self.version, repeat: self.repeat }
    }
}

/// What is told of an owner to the nodes where somebody listens.
#[derive(Serialize, Deserialize)]
enum News<E, G> {
    Events { address: Address, first: Version, last: Version, glance: G, events: E },
    Signal(SignalFrame),
}

/// A publication as others hear it; `None` for what is of no use elsewhere.
pub(super) fn encode_news(from: Uuid, publication: &Publication) -> Option<Vec<u8>> {
    let news: News<&[PublishedEvent<Event>], Option<&Glance>> = match publication {
        Publication::Events(news) => News::Events {
            address: news.address,
            first: news.first,
            last: news.last,
            glance: news.glance.as_ref(),
            events: &news.events,
        },
        Publication::Signal(news) => News::Signal(news.frame),
        Publication::Tiles(_) | Publication::Presence(..) | Publication::Doubt(_) => return None,
    };
    Some(encode(from, &news))
}

/// What another node has published. News with an event that this build does not know is no more than that there was some.
pub(super) fn decode_news(owner: UserId, bytes: &[u8]) -> Publication {
    type Heard = News<Vec<PublishedEvent<Shown>>, Option<Glance>>;
    let known = |shown: PublishedEvent<Shown>| {
        let PublishedEvent { v, at, received_at, by, ev } = shown;
        match ev {
            Shown::Event(ev) => Some(PublishedEvent { v, at, received_at, by, ev }),
            Shown::Hidden | Shown::Unknown(_) => None,
        }
    };
    match rmp_serde::from_slice::<Heard>(bytes) {
        Ok(News::Events { address, first, last, glance, events }) => {
            match events.into_iter().map(known).collect() {
                Some(events) => Publication::Events(EventNews::heard(address, first, last, glance, events)),
                None => Publication::Doubt(owner),
            }
        }
        Ok(News::Signal(frame)) => Publication::Signal(SignalNews::new(frame)),
        Err(_) => Publication::Doubt(owner),
    }
}

/// The bytes of something that `from` says.
pub(super) fn encode<T: Serialize>(from: Uuid, said: &T) -> Vec<u8> {
    let mut bytes = from.as_bytes().to_vec();
    // Writing to memory does not fail, and everything that is said has a form; were it not so, nobody could read it.
    let _ = rmp_serde::encode::write_named(&mut bytes, said);
    bytes
}

/// Who says something, and what.
pub(super) fn split(bytes: &[u8]) -> Option<(Uuid, &[u8])> {
    let (from, said) = bytes.split_first_chunk::<16>()?;
    Some((Uuid::from_bytes(*from), said))
}

#[cfg(test)]
mod tests {
    use spotter_protocol::{ClientId, CommandId, Note, NoteText, Resumed, SessionEvent, SessionId};

    use super::*;

    const NODE: Uuid = Uuid::from_u128(7);
    const ANA: UserId = UserId(Uuid::from_u128(1));
    const SESSION: Address = Address::session(ANA, SessionId(Uuid::from_u128(2)));

    fn heard(publication: &Publication) -> Publication {
        let bytes = encode_news(NODE, publication).unwrap();
        let (from, said) = split(&bytes).unwrap();
        assert_eq!(from, NODE);
        decode_news(ANA, said)
    }

    #[test]
    fn events_are_heard_as_they_were_published() {
        let event = PublishedEvent {
            v: Version(3),
            at: Timestamp(5),
            received_at: Timestamp(6),
            by: ANA,
            ev: Event::Session(SessionEvent::Resumed(Resumed { effective: true })),
        };
        let news = EventNews::heard(SESSION, Version(3), Version(3), None, vec![event.clone()]);
        let Publication::Events(news) = heard(&Publication::Events(news)) else { panic!("no events") };
        assert_eq!((news.address, news.first, news.last), (SESSION, Version(3), Version(3)));
        assert_eq!(news.events, [event]);
    }

    #[test]
    fn what_a_build_does_not_know_is_no_more_than_that_something_was_said() {
        assert!(matches!(decode_news(ANA, b"\x81\xa4Moon\xc0"), Publication::Doubt(ANA)));
        let unknown: News<_, Option<Glance>> = News::Events {
            address: SESSION,
            first: Version(3),
            last: Version(3),
            glance: None,
            events: vec![PublishedEvent {
                v: Version(3),
                at: Timestamp(5),
                received_at: Timestamp(6),
                by: ANA,
                ev: Shown::Unknown("levitated".to_owned()),
            }],
        };
        let bytes = encode(NODE, &unknown);
        assert!(matches!(decode_news(ANA, split(&bytes).unwrap().1), Publication::Doubt(ANA)));
    }

    #[test]
    fn a_command_arrives_as_it_was_sent() {
        let frame = CommandFrame {
            req: 1,
            id: CommandId(Uuid::from_u128(3)),
            client: ClientId(Uuid::from_u128(4)),
            n: 2,
            after: 1,
            at: Timestamp(7),
            to: SESSION,
            command: Note { set: None, text: NoteText::clipped("deep") }.into(),
        };
        let (gym, received_at) = (GymId(Uuid::from_u128(9)), Timestamp(8));
        let ask = Ask::new(gym, ANA, frame.clone(), -3, received_at, ReplyTo::new(|_| {}));
        let bytes = encode(NODE, &Message::Command(5, Box::new(Forwarded::of(ask).0)));
        let Ok(Message::Command(5, forwarded)) = rmp_serde::from_slice(split(&bytes).unwrap().1) else {
            panic!("no command")
        };
        let ask = forwarded.ask(ReplyTo::new(|_| {}));
        assert_eq!((ask.gym, ask.author, ask.offset, ask.received_at), (gym, ANA, -3, received_at));
        assert_eq!(ask.frame, frame);
    }

    #[test]
    fn an_answer_arrives_as_it_was_given() {
        for answer in [Ok(Done { version: Version(3), repeat: true }), Err(spotter_actors::elsewhere())] {
            let bytes = encode(NODE, &Message::answer(5, answer.clone()));
            let Ok(Message::Answer(5, arrived)) = rmp_serde::from_slice(split(&bytes).unwrap().1) else {
                panic!("no answer")
            };
            assert_eq!(arrived.map(Answered::done), answer);
        }
    }
}
