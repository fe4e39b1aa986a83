//! Commands on their way to one entity, in the order they were given: numbered, repeated until answered,
//! never reordered. `docs/protocol.md` tells the rules.

use std::collections::VecDeque;

use spotter_protocol::{
    Address, ClientId, Command, CommandFrame, CommandId, ErrorCode, Fault, Persistence, Reply, Timestamp,
    Version,
};
use uuid::Uuid;

/// Commands sent and not answered at once.
const WINDOW: usize = 16;

/// The commands of one client for one entity.
#[derive(Clone, Debug)]
pub struct Outbox {
    client: ClientId,
    to: Address,
    next: u64,
    /// The number the next command must follow.
    last: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    frame: CommandFrame,
    sent: bool,
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The command, as it was given.
    pub command: CommandId,
    /// Durable at this version, or refused for good.
    pub outcome: Result<Version, Fault>,
}

/// What a reply meant to the commands of an outbox.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A command came to its end.
    Answered(Answered),
    /// A command and what follows it go again, after a pause.
    Again,
}

impl Outbox {
    /// No commands yet, for `to`, counted by `client`.
    pub const fn new(client: ClientId, to: Address) -> Self {
        Self { client, to, next: 1, last: 0, waiting: VecDeque::new() }
    }

    /// Takes a command that happened at `at`, by the device's clock. It is numbered now.
    pub fn push(&mut self, command: Command, at: Timestamp) -> CommandId {
        let id = CommandId(Uuid::now_v7());
        let (n, after) = (self.next, self.last);
        let frame = CommandFrame { req: 0, id, client: self.client, n, after, at, to: self.to, command };
        self.waiting.push_back(Waiting { frame, sent: false });
        self.next += 1;
        self.last = n;
        id
    }

    /// The next command to send, with `req` as its request number; `None` when as many as may be are under way.
    pub fn send(&mut self, req: u64) -> Option<CommandFrame> {
        let under_way = self.waiting.iter().take(WINDOW);
        let place = under_way.take_while(|waiting| waiting.sent).count();
        let waiting = self.waiting.get_mut(place).filter(|_| place < WINDOW)?;
        waiting.sent = true;
        waiting.frame.req = req;
        Some(waiting.frame.clone())
    }

    /// Takes the reply to a request. `None` when it is not, or no longer, a request of this outbox.
    pub fn reply(&mut self, reply: &Reply) -> Option<Heard> {
        let is_asked = |waiting: &Waiting| waiting.sent && Some(waiting.frame.req) == reply.req;
        let place = self.waiting.iter().position(is_asked)?;
        let outcome = match (&reply.error, reply.v) {
            (None, version) => Ok(version.unwrap_or_default()),
            (Some(fault), _) if fault.kind == Persistence::Permanent => Err(fault.clone()),
            (Some(fault), _) => {
                self.again(place, fault);
                return Some(Heard::Again);
            }
        };
        let answered = self.waiting.remove(place)?.frame;
        if outcome.is_err() {
            self.repoint(&answered);
        }
        Some(Heard::Answered(Answered { command: answered.id, outcome }))
    }

    /// Everything unanswered is to be sent again: the connection is another.
    pub fn resend(&mut self) {
        self.waiting.iter_mut().for_each(|waiting| waiting.sent = false);
    }

    /// How many commands wait for their answer.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether every command is under way.
    pub fn is_sent(&self) -> bool {
        self.waiting.back().is_none_or(|waiting| waiting.sent)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A temporary refusal: this one and what follows it goes again; with `out_of_order`, all above the
    /// highest that arrived.
    fn again(&mut self, place: usize, fault: &Fault) {
        let from = match (fault.code, fault.highest) {
            (ErrorCode::OutOfOrder, Some(highest)) => {
                let from = self.waiting.iter().position(|waiting| waiting.frame.n > highest);
                // A server that forgot this client, or went back in time, misses commands it has answered:
                // nothing here can fill that gap, so the first that is left follows what the server has.
                if from == Some(0)
                    && let Some(first) = self.waiting.front_mut()
                {
                    first.frame.after = first.frame.after.min(highest);
                }
                from.unwrap_or(place)
            }
            _ => place,
        };
        self.waiting.range_mut(from..).for_each(|waiting| waiting.sent = false);
    }

    /// Whatever followed a refused command follows the one before it instead.
    fn repoint(&mut self, refused: &CommandFrame) {
        let followers = self.waiting.iter_mut().filter(|waiting| waiting.frame.after == refused.n);
        followers.for_each(|waiting| waiting.frame.after = refused.after);
        if self.last == refused.n {
            self.last = refused.after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spotter_protocol::{Millis, Pause, Resume, UserId};

    fn an_outbox() -> Outbox {
        let room = Address::room(UserId(Uuid::from_u128(1)));
        let mut outbox = Outbox::new(ClientId(Uuid::from_u128(2)), room);
        for _ in 0..3 {
            outbox.push(Pause {}.into(), Timestamp(0));
        }
        outbox
    }

    fn send_all(outbox: &mut Outbox, req: u64) -> Vec<(u64, u64)> {
        (req..).map_while(|req| outbox.send(req)).map(|frame| (frame.n, frame.after)).collect()
    }

    fn refused(req: u64, fault: Fault) -> Reply {
        Reply::refused(Some(req), fault)
    }

    #[test]
    fn commands_are_numbered_in_the_order_they_were_given() {
        assert_eq!(send_all(&mut an_outbox(), 1), [(1, 0), (2, 1), (3, 2)]);
    }

    #[test]
    fn everything_unanswered_goes_again_on_another_connection() {
        let mut outbox = an_outbox();
        assert!(!outbox.is_sent());
        send_all(&mut outbox, 1);
        assert!(outbox.is_sent());
        assert!(matches!(outbox.reply(&Reply::ok(1, Version(1))), Some(Heard::Answered(_))));

        outbox.resend();

        assert!(!outbox.is_sent());
        assert_eq!(send_all(&mut outbox, 9), [(2, 1), (3, 2)]);
    }

    #[test]
    fn a_busy_server_gets_the_same_commands_in_the_same_order() {
        let mut outbox = an_outbox();
        send_all(&mut outbox, 1);

        assert_eq!(outbox.reply(&refused(2, Fault::retry(ErrorCode::Busy, Millis(1)))), Some(Heard::Again));

        assert_eq!(send_all(&mut outbox, 9), [(2, 1), (3, 2)]);
    }

    #[test]
    fn a_gap_is_filled_from_the_highest_that_arrived() {
        let mut outbox = an_outbox();
        send_all(&mut outbox, 1);

        let gap = Fault { highest: Some(0), ..Fault::new(ErrorCode::OutOfOrder) };
        assert_eq!(outbox.reply(&refused(3, gap)), Some(Heard::Again));

        assert_eq!(send_all(&mut outbox, 9), [(1, 0), (2, 1), (3, 2)]);
    }

    #[test]
    fn what_followed_a_refused_command_follows_the_one_before() {
        let mut outbox = an_outbox();
        send_all(&mut outbox, 1);
        assert!(outbox.reply(&refused(2, Fault::new(ErrorCode::UnknownSet))).is_some());
        assert!(outbox.reply(&refused(3, Fault::new(ErrorCode::UnknownSet))).is_some());
        outbox.push(Resume {}.into(), Timestamp(0));

        outbox.resend();

        assert_eq!(send_all(&mut outbox, 9), [(1, 0), (4, 1)]);
    }

    #[test]
    fn a_server_that_forgot_this_client_is_told_the_rest_and_not_asked_for_ever() {
        let mut outbox = an_outbox();
        send_all(&mut outbox, 1);
        assert!(outbox.reply(&Reply::ok(1, Version(1))).is_some());

        let gap = Fault { highest: Some(0), ..Fault::new(ErrorCode::OutOfOrder) };
        assert_eq!(outbox.reply(&refused(2, gap)), Some(Heard::Again));

        assert_eq!(send_all(&mut outbox, 9), [(2, 0), (3, 2)]);
    }

    #[test]
    fn a_reply_to_an_earlier_try_is_not_taken_for_one_to_the_repeat() {
        let mut outbox = an_outbox();
        send_all(&mut outbox, 1);
        outbox.resend();
        send_all(&mut outbox, 9);

        assert_eq!(outbox.reply(&Reply::ok(2, Version(1))), None);
        assert_eq!(outbox.len(), 3);
    }

    #[test]
    fn no_more_than_a_window_is_under_way() {
        let mut outbox = an_outbox();
        for _ in 0..100 {
            outbox.push(Pause {}.into(), Timestamp(0));
        }

        assert_eq!(send_all(&mut outbox, 1).len(), WINDOW);
    }
}
