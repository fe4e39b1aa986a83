//! Commands that are answered by another node: each waits under a number until that one answers, is gone, or takes too
//! long. What is given up may have been done: its sender asks again, and the entity knows.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use spotter_actors::ReplyTo;
use tokio::time::Instant;
use uuid::Uuid;

/// Commands of this node that others have at once.
const AWAY_MAX: usize = 8_192;
/// How long an answer may take: longer than a command waits for its entity.
const ANSWERED_WITHIN: Duration = Duration::from_secs(12);

/// The commands under way.
#[derive(Default)]
pub(super) struct Away(Mutex<UnderWay>);

#[derive(Default)]
struct UnderWay {
    last: u64,
    waiting: HashMap<u64, Waiting>,
}

struct Waiting {
    node: Uuid,
    until: Instant,
    reply: ReplyTo,
}

impl Away {
    /// Notes a command that `node` is to answer, and gives it a number; gives the reply back where too many wait.
    pub(super) fn add(&self, node: Uuid, reply: ReplyTo) -> Result<u64, ReplyTo> {
        let mut under_way = self.lock();
        if under_way.waiting.len() >= AWAY_MAX {
            return Err(reply);
        }
        under_way.last += 1;
        let number = under_way.last;
        under_way.waiting.insert(number, Waiting { node, until: Instant::now() + ANSWERED_WITHIN, reply });
        Ok(number)
    }

    /// Where the answer under a number goes, which `node` gives; `None` when nobody waits for it any more.
    pub(super) fn answered(&self, number: u64, node: Uuid) -> Option<ReplyTo> {
        let mut under_way = self.lock();
        let is_theirs = under_way.waiting.get(&number).is_some_and(|waiting| waiting.node == node);
        if is_theirs { under_way.waiting.remove(&number).map(|waiting| waiting.reply) } else { None }
    }

    /// A command did not get to the node, or nobody can tell.
    pub(super) fn lost(&self, number: u64) {
        let lost = self.lock().waiting.remove(&number);
        // Answered without the lock, as everything that is given up.
        drop(lost);
    }

    /// No answer comes any more to what is under way.
    pub(super) fn lose_all(&self) {
        let lost = std::mem::take(&mut self.lock().waiting);
        drop(lost);
    }

    /// Gives up what waits for nodes that are not there any more, and what waits too long.
    pub(super) fn look_after(&self, alive: &BTreeSet<Uuid>) {
        let now = Instant::now();
        let mut under_way = self.lock();
        let is_over = |waiting: &Waiting| waiting.until <= now || !alive.contains(&waiting.node);
        let over =
            under_way.waiting.iter().filter(|(_, waiting)| is_over(waiting)).map(|(number, _)| *number);
        let over: Vec<u64> = over.collect();
        let over: Vec<_> = over.iter().filter_map(|number| under_way.waiting.remove(number)).collect();
        drop(under_way);
        drop(over);
    }

    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use spotter_actors::{Answer, Done};
    use spotter_protocol::{ErrorCode, Version};

    use super::*;

    const THERE: Uuid = Uuid::from_u128(1);

    fn reply() -> (ReplyTo, mpsc::Receiver<Answer>) {
        let (sender, answers) = mpsc::channel();
        (ReplyTo::new(move |answer| sender.send(answer).unwrap()), answers)
    }

    #[tokio::test(start_paused = true)]
    async fn each_command_is_answered_once_by_the_node_that_has_it_or_given_up() {
        let away = Away::default();
        let (one, first) = reply();
        let number = away.add(THERE, one).ok().unwrap();
        assert!(away.answered(number, Uuid::from_u128(2)).is_none(), "it is not theirs");
        let done = Ok(Done { version: Version(1), repeat: false });
        away.answered(number, THERE).unwrap().send(done.clone());
        assert_eq!(first.recv().unwrap(), done);
        assert!(away.answered(number, THERE).is_none());

        let given_up = |answers: mpsc::Receiver<Answer>| answers.try_recv().unwrap().unwrap_err().code;
        let (one, first) = reply();
        let (two, second) = reply();
        away.add(THERE, one).ok().unwrap();
        away.look_after(&BTreeSet::from([THERE]));
        assert!(first.try_recv().is_err());
        away.look_after(&BTreeSet::new());
        assert_eq!(given_up(first), ErrorCode::Unavailable);
        away.add(THERE, two).ok().unwrap();
        tokio::time::advance(ANSWERED_WITHIN).await;
        away.look_after(&BTreeSet::from([THERE]));
        assert_eq!(given_up(second), ErrorCode::Unavailable);
    }

    #[test]
    fn only_so_many_wait() {
        let away = Away::default();
        let reply = || ReplyTo::new(|_| {});
        for _ in 0..AWAY_MAX {
            away.add(THERE, reply()).ok().unwrap();
        }
        assert!(away.add(THERE, reply()).is_err());
        away.lose_all();
        assert!(away.add(THERE, reply()).is_ok());
    }
}
