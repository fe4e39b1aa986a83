//! What waits for one entity, in the order of arrival. It outlives the activations of the entity: what one was
//! judging when it failed is offered to the next, until it turns out to be the cause.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spotter_protocol::{CommandFrame, ErrorCode, Fault, Millis, Timestamp, UserId};
use tokio::time::Instant;

use crate::LetterId;
use crate::ask::{Answer, Ask};

/// Commands of one entity under way at once; one more is answered `busy`.
const COMMANDS_MAX: usize = 64;
/// Commands whose events share one append.
const BATCH_MAX: usize = 32;
/// How long a command waits for an activation that takes it; then it is answered `unavailable`.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);
/// Failures of an entity on the same command after which that command is given up.
const FAILURES_MAX: u32 = 2;
/// How long a client waits before it sends again what was not taken in time.
const RETRY: Millis = Millis(250);

/// The commands of one entity that are not answered yet.
#[derive(Default)]
pub(crate) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<Waiting>>,
    /// What the activation has taken and not answered, oldest first.
    judging: VecDeque<Box<Waiting>>,
    /// Whether a failure now would be the fault of the newest command in `judging`.
    suspects: bool,
    /// Whether the activation knows that there is work.
    told: bool,
}

struct Waiting {
    ask: Ask,
    since: Instant,
    /// Never shares an append: something went wrong when it did.
    alone: bool,
    failures: u32,
}

/// A command as an activation judges it; who answers it stays in the queue.
pub(crate) struct Asked {
    pub(crate) author: UserId,
    pub(crate) frame: CommandFrame,
    pub(crate) offset: i64,
    pub(crate) received_at: Timestamp,
    pub(crate) carries: Option<LetterId>,
}

impl Queue {
    /// Adds a command behind the others; says whether the activation has to be told. Gives the command back
    /// when the queue is full.
    #[expect(clippy::result_large_err, reason = "the command goes back to who has to answer it")]
    pub(crate) fn push(&self, ask: Ask) -> Result<bool, Ask> {
        let mut state = self.lock();
        if state.waiting.len() + state.judging.len() >= COMMANDS_MAX {
            return Err(ask);
        }
        let waiting = Waiting { ask, since: Instant::now(), alone: false, failures: 0 };
        state.waiting.push_back(Box::new(waiting));
        Ok(!std::mem::replace(&mut state.told, true))
    }

    /// Whether nothing waits and nothing is being judged.
    pub(crate) fn is_empty(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && state.judging.is_empty()
    }

    /// A new activation begins; says whether there is work for it.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.lock();
        state.put_back();
        state.told = !state.waiting.is_empty();
        state.told
    }

    /// Takes the next command to be judged, and suspects it until [`Queue::suspect_nobody`]. `None` when
    /// nothing waits, or when what waits must not share an append with what was taken.
    pub(crate) fn next(&self) -> Option<Asked> {
        let mut state = self.lock();
        let Some(next) = state.waiting.front() else {
            state.told = !state.judging.is_empty();
            return None;
        };
        let is_apart = next.alone || state.judging.iter().any(|taken| taken.alone);
        if !state.judging.is_empty() && (is_apart || state.judging.len() >= BATCH_MAX) {
            return None;
        }
        let next = state.waiting.pop_front()?;
        let ask = &next.ask;
        let asked = Asked {
            author: ask.author,
            frame: ask.frame.clone(),
            offset: ask.offset,
            received_at: ask.received_at,
            carries: ask.carries,
        };
        state.judging.push_back(next);
        state.suspects = true;
        Some(asked)
    }

    /// No command is to blame for a failure from here on: several are under way, or what is under way is the
    /// store's.
    pub(crate) fn suspect_nobody(&self) {
        self.lock().suspects = false;
    }

    /// Answers everything that was taken, in its order.
    pub(crate) fn answer(&self, answers: Vec<Answer>) {
        let mut state = self.lock();
        state.suspects = false;
        let taken = std::mem::take(&mut state.judging);
        if state.waiting.is_empty() {
            // An entity at rest keeps no room for the next rush.
            state.waiting = VecDeque::new();
        }
        drop(state);
        for (taken, answer) in taken.into_iter().zip(answers) {
            taken.ask.reply.send(answer);
        }
    }

    /// Lets everything that was taken be judged again, each by itself.
    pub(crate) fn again_alone(&self) {
        self.lock().put_back();
    }

    /// The activation has failed. What it had taken waits for the next, in its order and each by itself.
    /// Returns the command to be given up, when one was to blame again; the caller answers it. A letter is
    /// answered at once: the post office looks whether it is still there.
    pub(crate) fn fail(&self) -> Option<Ask> {
        let mut state = self.lock();
        let mut given_up = None;
        if state.suspects
            && let Some(mut suspect) = state.judging.pop_back()
        {
            suspect.failures += 1;
            if suspect.failures >= FAILURES_MAX {
                given_up = Some(suspect.ask);
            } else {
                state.judging.push_back(suspect);
            }
        }
        state.put_back();
        let (letters, commands) =
            std::mem::take(&mut state.waiting).into_iter().partition(|waiting| waiting.ask.carries.is_some());
        state.waiting = commands;
        drop(state);
        refuse(letters, &Fault::retry(ErrorCode::Unavailable, RETRY));
        given_up
    }

    /// Answers what has waited too long, as of `now`; returns when the next will have.
    pub(crate) fn expire(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        let late = state.waiting.iter().take_while(|waiting| now >= waiting.since + WAIT_MAX).count();
        let late = state.waiting.drain(..late).collect();
        let next = state.waiting.front().map(|oldest| oldest.since + WAIT_MAX);
        drop(state);
        refuse(late, &Fault::retry(ErrorCode::Unavailable, RETRY));
        next
    }

    /// Answers everything with a fault. There must be no activation.
    pub(crate) fn refuse_all(&self, fault: &Fault) {
        let mut state = self.lock();
        state.put_back();
        let all = std::mem::take(&mut state.waiting);
        drop(state);
        refuse(all, fault);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens between two changes that belong together.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put_back(&mut self) {
        self.suspects = false;
        while let Some(mut taken) = self.judging.pop_back() {
            taken.alone = true;
            self.waiting.push_front(taken);
        }
    }
}

fn refuse(waiting: VecDeque<Box<Waiting>>, fault: &Fault) {
    for waiting in waiting {
        waiting.ask.reply.send(Err(fault.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use spotter_protocol::{Address, ClientId, CommandId, GymId, Note, NoteText, SessionId, Version};
    use uuid::Uuid;

    use super::*;
    use crate::{Done, ReplyTo};

    type Answers = mpsc::Receiver<(u64, Answer)>;

    /// A queue with commands 1 to `count`, and where their answers go.
    fn a_queue(count: u64) -> (Queue, Answers) {
        let queue = Queue::default();
        let (sender, answers) = mpsc::channel();
        for n in 1..=count {
            let sender = sender.clone();
            let reply = ReplyTo::new(move |answer| drop(sender.send((n, answer))));
            let owner = UserId(Uuid::from_u128(1));
            let frame = CommandFrame {
                req: n,
                id: CommandId(Uuid::from_u128(n.into())),
                client: ClientId(Uuid::from_u128(2)),
                n,
                after: n - 1,
                at: Timestamp(0),
                to: Address::session(owner, SessionId(Uuid::from_u128(3))),
                command: Note { set: None, text: NoteText::clipped("hello") }.into(),
            };
            let ask = Ask::new(GymId(Uuid::from_u128(4)), owner, frame, 0, Timestamp(0), reply);
            assert!(queue.push(ask).is_ok());
        }
        (queue, answers)
    }

    fn take_all(queue: &Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.next()).map(|asked| asked.frame.n).collect()
    }

    #[test]
    fn commands_are_taken_in_turn_and_a_batch_ends() {
        let (queue, _answers) = a_queue(40);

        assert_eq!(take_all(&queue), (1..=32).collect::<Vec<_>>());
        queue.answer(vec![Ok(Done { version: Version(1), repeat: false }); 32]);

        assert_eq!(take_all(&queue), (33..=40).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_taken_when_an_activation_failed_comes_again_one_by_one() {
        let (queue, answers) = a_queue(3);
        assert_eq!(take_all(&queue), [1, 2, 3]);
        queue.suspect_nobody();

        assert!(queue.fail().is_none());

        assert!(queue.begin());
        for n in 1..=3 {
            assert_eq!(take_all(&queue), [n]);
            queue.answer(vec![Ok(Done { version: Version(n), repeat: false })]);
        }
        assert_eq!(answers.try_iter().map(|(n, _)| n).collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn only_the_command_that_failed_twice_is_given_up() {
        let (queue, answers) = a_queue(3);
        queue.next();
        queue.next();
        assert!(queue.fail().is_none(), "once may be chance");
        assert_eq!(take_all(&queue), [1]);
        queue.answer(vec![Ok(Done { version: Version(1), repeat: false })]);
        assert_eq!(take_all(&queue), [2]);

        let given_up = queue.fail();

        assert_eq!(given_up.map(|ask| ask.frame.n), Some(2));
        assert_eq!(take_all(&queue), [3], "those behind it go on");
        let answered = answers.try_iter().map(|(n, answer)| (n, answer.is_ok()));
        assert_eq!(answered.collect::<Vec<_>>(), [(1, true), (2, false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_is_told_to_come_again() {
        let (queue, answers) = a_queue(2);
        queue.next();
        tokio::time::sleep(WAIT_MAX).await;

        assert_eq!(queue.expire(Instant::now()), None);

        let (n, answer) = answers.try_recv().unwrap();
        assert_eq!((n, answer.unwrap_err().code), (2, ErrorCode::Unavailable));
        assert!(answers.try_recv().is_err(), "what is being judged is not answered before it is known");
    }
}
