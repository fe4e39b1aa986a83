//! What one person says to others, cues and messages: it is sent until it is answered, whatever becomes of the
//! connection.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use spotter_client::{Answered, Closed, Heard, Outbox};
use spotter_protocol::{
    Address, ClientFrame, ClientId, Command, CommandId, Cue, CueId, InboxCommand, Message, MessageId,
    MessageText, NoteText, Reply, UserId,
};

use crate::athlete::now;
use crate::ledger::{Ledger, Word};
use crate::line::Line;
use crate::tally::Tally;

/// What is under way from one person.
pub(crate) struct Talk {
    user: UserId,
    run: u32,
    client: ClientId,
    ledger: Arc<Mutex<Ledger>>,
    tally: Arc<Tally>,
    /// By where it will be: a session, or the person's own inbox.
    outboxes: BTreeMap<Address, Outbox>,
    waiting: HashMap<CommandId, Said>,
    /// Nothing is sent before: the server asked for a pause.
    hold_until: Option<Instant>,
}

/// A word without an answer.
struct Said {
    kind: &'static str,
    place: Address,
    word: Word,
    /// When it was due; of one said without signal, when it could first be sent.
    planned: Option<Instant>,
}

impl Talk {
    pub(crate) fn new(
        user: UserId,
        run: u32,
        line: &Line,
        ledger: Arc<Mutex<Ledger>>,
        tally: Arc<Tally>,
    ) -> Self {
        let (outboxes, waiting) = (BTreeMap::new(), HashMap::new());
        Self { user, run, client: line.client, ledger, tally, outboxes, waiting, hold_until: None }
    }

    /// Tells the athlete of a session something.
    pub(crate) fn cue(&mut self, session: Address, planned: Instant) {
        let word = self.ledger().say(self.run, session, self.user, session.owner, Some(planned));
        let text = NoteText::clipped("chest up, and brace before you go down");
        let cue = Cue { cue: CueId(word.id()), text, group: None, set: None, expires_ms: None };
        self.push(session, cue.into(), Said { kind: "cue", place: session, word, planned: Some(planned) });
    }

    /// Writes to somebody; without signal there is no planned time.
    pub(crate) fn message(&mut self, to: UserId, planned: Option<Instant>) {
        let place = Address::inbox(self.user);
        let word = self.ledger().say(self.run, place, self.user, to, planned);
        let text = MessageText::clipped("the last set felt heavy; shall we stay at this load on Thursday?");
        let message = Message { to, id: MessageId(word.id()), text, about: None };
        let kind = if planned.is_some() { "message" } else { "late_message" };
        self.push(place, InboxCommand::from(message).into(), Said { kind, place, word, planned });
    }

    fn push(&mut self, place: Address, command: Command, said: Said) {
        let client = self.client;
        let outbox = self.outboxes.entry(place).or_insert_with(|| Outbox::new(client, place));
        self.waiting.insert(outbox.push(command, now()), said);
    }

    /// The one who talks goes: what has no answer is sent again, and counts from then.
    pub(crate) fn leave(&mut self) {
        self.waiting.values_mut().for_each(|said| said.planned = None);
        self.resend();
    }

    /// The signal is back, or the one who left.
    pub(crate) fn signal(&mut self) {
        let now = Instant::now();
        self.waiting.values_mut().for_each(|said| _ = said.planned.get_or_insert(now));
    }

    /// Sends what may be under way.
    ///
    /// # Errors
    /// Why the connection is no more.
    pub(crate) async fn send(&mut self, line: &mut Line) -> Result<(), Closed> {
        if self.waiting.is_empty() || self.hold_until.is_some() || !line.is_up() {
            return Ok(());
        }
        for outbox in self.outboxes.values_mut() {
            while let Some(frame) = outbox.send(line.req()) {
                line.send(&ClientFrame::Command(frame)).await?;
            }
        }
        Ok(())
    }

    /// Everything unanswered goes again: the connection is another.
    pub(crate) fn resend(&mut self) {
        self.outboxes.values_mut().for_each(Outbox::resend);
    }

    /// Until when nothing may be sent.
    pub(crate) const fn held(&self) -> Option<Instant> {
        self.hold_until
    }

    /// The pause is over.
    pub(crate) const fn release(&mut self) {
        self.hold_until = None;
    }

    /// Whether all that was said is under way.
    pub(crate) fn is_sent(&self) -> bool {
        self.outboxes.values().all(Outbox::is_sent)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a reply. `slow` says of a planned time whether the one who talks is to blame for the delay, and not the server.
    pub(crate) fn hear(&mut self, reply: &Reply, slow: impl Fn(Instant) -> bool) {
        let Some(heard) = self.outboxes.values_mut().find_map(|outbox| outbox.reply(reply)) else { return };
        match heard {
            Heard::Answered(Answered { command, outcome }) => {
                let Some(said) = self.waiting.remove(&command) else { return };
                self.ledger().answered(said.place, said.word, outcome.as_ref().ok().copied());
                match (outcome, said.planned) {
                    (Ok(_), Some(planned)) => {
                        self.tally.done(if slow(planned) { "slow_answer" } else { said.kind }, planned);
                    }
                    (Ok(_), None) => {}
                    (Err(fault), _) => self.tally.failed(said.kind, fault.code.as_str()),
                }
            }
            Heard::Again => self.hold_until = Some(self.tally.refused_for_now(reply)),
        }
    }

    /// Nothing more will be answered.
    pub(crate) fn give_up(&mut self) {
        for (_, said) in std::mem::take(&mut self.waiting) {
            self.tally.failed(said.kind, "unanswered");
            self.ledger().answered(said.place, said.word, None);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
