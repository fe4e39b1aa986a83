//! How long a set takes, from its planned time to its acknowledgement and to a second device, at a steady
//! rate; with a ledger of what was delivered.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use spotter_protocol::{CommandFrame, ErrorCode, Fault, ServerFrame, Version};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::Plan;
use crate::athlete::{Athlete, accepted};
use crate::disk::Disk;
use crate::figures::Findings;
use crate::line::moment;
use crate::pacer::{histogram, pace, since};
use crate::sampler::{metrics, read_buckets, read_metrics};
use crate::server::{Person, Server, Used};

/// The pacer's own delay above which its run says nothing about the server, in microseconds.
const LAG_MAX_US: u64 = 1_000;
/// What the middle of acknowledgements and deliveries may take besides a commit.
const BESIDE_COMMIT_MS: f64 = 1.0;

/// What an athlete sent, by the version it was acknowledged at.
type Sent = Vec<(Version, Instant)>;
/// What a second device received, in the order of receipt.
type Received = Vec<(Version, Instant)>;

/// What came of a steady load.
pub(crate) struct Steady {
    /// Delays from the planned time, in microseconds.
    pub(crate) acks: Histogram<u64>,
    pub(crate) deliveries: Histogram<u64>,
    /// The pacer's own.
    pub(crate) lag: Histogram<u64>,
    /// For each acknowledged set.
    pub(crate) each: Used,
    /// How long a commit took, where the server says so.
    commit_ms: Option<CommitMs>,
    /// What a flush of the same disk took meanwhile, in microseconds.
    pub(crate) flushes: Histogram<u64>,
    /// Sets that the server did not take when they were first sent, and the codes it gave.
    refused: u64,
    codes: BTreeSet<&'static str>,
    /// Acknowledged sets a second, until the last was.
    carried_per_s: f64,
    /// What was lost, doubled or reordered.
    pub(crate) broken: Option<String>,
}

impl Steady {
    /// Why the load was not what it should have been, when it was not.
    pub(crate) fn invalid(&self) -> Option<String> {
        let late = self.lag.value_at_quantile(0.99);
        (late > LAG_MAX_US).then(|| format!("the pacer was late itself: p99 {late} µs"))
    }

    /// How much of the load was refused, when some of it was. Delays then are those of another load.
    pub(crate) fn refusal(&self) -> Option<String> {
        let (refused, total, carried) = (self.refused, self.acks.len(), self.carried_per_s);
        let percent = 100.0 * refused as f64 / total as f64;
        let codes: Vec<_> = self.codes.iter().copied().collect();
        let codes = codes.join(", ");
        (refused > 0).then(|| {
            format!("{refused} of {total} sets ({percent:.1} %) refused at first ({codes}), {carried:.0} sets/s carried")
        })
    }
}

/// A delay in milliseconds.
pub(crate) fn ms(delays: &Histogram<u64>, quantile: f64) -> f64 {
    delays.value_at_quantile(quantile) as f64 / 1000.0
}

/// Measures at `rate` sets a second of `athletes` together.
pub(crate) async fn measure(plan: &Plan, athletes: usize, rate: u32) -> anyhow::Result<Findings> {
    let (athletes, rate, seconds) = if plan.quick { (50, rate / 10, 3) } else { (athletes, rate, 30) };
    let server = Server::prepare(plan).await?;
    let (people, _) = server.populate(athletes).await?;
    server.start().await?;
    let steady = run(&server, &people, rate, seconds).await?;
    let total = steady.acks.len();
    let mut findings = Findings::of(format!(
        "{athletes} athletes at {rate} sets/s together for {seconds} s, open loop: every delay counts from the planned \
         time, which a thread of its own hands out (its own lag: p99 {} µs). They stand at different places of their \
         sessions; one command in eleven plans an exercise. A second device of each athlete follows the session; the \
         ledger compares the {total} acknowledged sets with what each device received: each version once, in order. \
         Beside it 4 KiB are flushed on the disk ten times a second: where that takes long, so does everybody's commit.",
        steady.lag.value_at_quantile(0.99)
    ));
    findings.broken.clone_from(&steady.broken);
    if let Some(refused) = steady.refusal() {
        findings.how += " What is refused is sent again after the pause that the server asks for, and what is due waits behind \
                         it.";
        findings.refuse(&format!("load of {rate} sets/s"), refused);
        return Ok(findings);
    }
    for (what, delays) in [("acknowledgement", &steady.acks), ("delivery", &steady.deliveries)] {
        let (half, p50) = (format!("{what} at {rate} sets/s, p50"), ms(delays, 0.5));
        match steady.commit_ms {
            Some(commit) => {
                let hundredths = ((commit.mean + BESIDE_COMMIT_MS) * 100.0).round();
                findings.at_most(&half, hundredths / 100.0, p50, "ms", "");
            }
            None => findings.plain(&half, p50, "ms", ""),
        }
        findings.at_most(&format!("{what} at {rate} sets/s, p99"), 10.0, ms(delays, 0.99), "ms", "");
        findings.plain(&format!("{what} at {rate} sets/s, p99.9"), ms(delays, 0.999), "ms", "");
    }
    if let Some(commit) = steady.commit_ms {
        findings.plain(&format!("commit at {rate} sets/s, mean"), commit.mean, "ms", "");
        findings.plain(&format!("commit at {rate} sets/s, p99"), commit.p99, "ms", "");
    }
    for (what, quantile) in [("p99", 0.99), ("longest", 1.0)] {
        let flush = ms(&steady.flushes, quantile);
        findings.plain(&format!("flush of the disk beside {rate} sets/s, {what}"), flush, "ms", "");
    }
    let what = format!("server CPU per 1,000 sets at {rate} sets/s");
    findings.plain(&what, steady.each.server_s * 1000.0, "s", "");
    if let Some(each) = steady.each.database_s {
        let what = format!("PostgreSQL CPU per 1,000 sets at {rate} sets/s");
        findings.plain(&what, each * 1000.0, "s", "");
    }
    if let Some(each) = steady.each.log_bytes {
        findings.plain(&format!("write-ahead log per set at {rate} sets/s"), each, "B", "");
    }
    findings.invalid = steady.invalid();
    Ok(findings)
}

/// Lets `people` log `rate` sets a second together, each followed by a second device, and stops the server, so that
/// every device has heard everything.
pub(crate) async fn run(
    server: &Server,
    people: &[Person],
    rate: u32,
    seconds: u32,
) -> anyhow::Result<Steady> {
    let (mut senders, mut writers, mut watchers) = (Vec::new(), JoinSet::new(), JoinSet::new());
    for (number, person) in people.iter().enumerate() {
        let mut athlete = Athlete::connect(server, person).await?;
        athlete.begin(number).await?;
        let mut device = Athlete::connect(server, person).await?;
        let from = device.follow(athlete.session).await?;
        let (sender, due) = mpsc::unbounded_channel();
        senders.push(sender);
        writers.spawn(async move { anyhow::Ok((number, write(athlete, due).await?)) });
        watchers.spawn(async move { (number, from, watch(device).await) });
    }
    let (before, commits_before) = (server.used().await?, Commits::of(server).await);
    let disk = Disk::watch();
    let begun = Instant::now();
    let lag = pace(Arc::from(senders), rate, rate * seconds).await?;
    let mut sent: HashMap<usize, Sent> = HashMap::new();
    let (mut acks, mut refused, mut codes) = (histogram()?, 0, BTreeSet::new());
    while let Some(done) = writers.join_next().await {
        let (number, (log, delays, of_one)) = done??;
        sent.insert(number, log);
        acks.add(delays).context("histograms of one form")?;
        refused += of_one.count;
        codes.extend(of_one.codes);
    }
    let carried_per_s = acks.len() as f64 / begun.elapsed().as_secs_f64();
    let each = server.used().await?.each_since(before, acks.len());
    let commit_ms = Commits::of(server).await.and_then(|after| after.since(&commits_before?));
    let flushes = disk.flushes().await?;
    // The devices hear everything before the server says goodbye.
    server.stop().await?;
    let mut deliveries = histogram()?;
    let mut broken = None;
    while let Some(done) = watchers.join_next().await {
        let (number, from, received) = done?;
        let log = sent.remove(&number).unwrap_or_default();
        if let Err(why) = reconcile(&log, from, &received, &mut deliveries) {
            broken = Some(why);
        }
    }
    Ok(Steady { acks, deliveries, lag, each, commit_ms, flushes, refused, codes, carried_per_s, broken })
}

/// How long the commits of a while took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CommitMs {
    mean: f64,
    /// Within the bounds of the server's buckets.
    p99: f64,
}

/// What the server says of its commits since it started.
struct Commits {
    seconds: f64,
    /// How many took at most so many seconds; the last bound is none.
    within: Vec<(f64, f64)>,
}

impl Commits {
    async fn of(server: &Server) -> Option<Self> {
        let text = metrics(&reqwest::Client::new(), &server.metrics()).await?;
        let seconds = read_metrics(&text).get("spotter_journal_commit_seconds_sum").copied()?;
        Some(Self { seconds, within: read_buckets(&text, "spotter_journal_commit_seconds") })
    }

    fn since(&self, before: &Self) -> Option<CommitMs> {
        let of_each = self.within.iter().zip(&before.within).map(|(now, then)| (now.0, now.1 - then.1));
        let within: Vec<(f64, f64)> = of_each.collect();
        let (_, count) = *within.last().filter(|(_, count)| *count > 0.0)?;
        let rank = 0.99 * count;
        let place = within.iter().position(|(_, count)| *count >= rank)?;
        let (from, below) = if place == 0 { (0.0, 0.0) } else { within[place - 1] };
        let (to, up_to) = within[place];
        // As Prometheus does: spread evenly within the bucket; beyond the last bound, that bound.
        let p99 = if to.is_finite() { from + (to - from) * (rank - below) / (up_to - below) } else { from };
        Some(CommitMs { mean: (self.seconds - before.seconds) / count * 1_000.0, p99: p99 * 1_000.0 })
    }
}

/// A set on its way.
struct Set {
    planned: Instant,
    frame: CommandFrame,
    was_refused: bool,
}

/// The sets that the server refuses an athlete for now. As it asks for, they are sent again after a pause, in their order.
#[derive(Default)]
struct Refused {
    waiting: Vec<Set>,
    /// Nothing is sent before, nor before all under way is answered.
    until: Option<Instant>,
    /// How many ever were.
    count: u64,
    /// The codes it gave.
    codes: BTreeSet<&'static str>,
}

impl Refused {
    /// # Errors
    /// When it is refused for something else than the load.
    fn note(&mut self, set: Set, fault: &Fault) -> anyhow::Result<()> {
        // One that waited too long for its turn is not available.
        let is_load = matches!(fault.code, ErrorCode::Busy | ErrorCode::Unavailable);
        let follows = fault.code == ErrorCode::OutOfOrder && !self.waiting.is_empty();
        ensure!(is_load || follows, "the server refuses the load: {fault}");
        if is_load {
            self.codes.insert(fault.code.as_str());
        }
        let pause = Duration::from_millis(fault.retry_after_ms.map_or(0, |ms| ms.0.into()));
        self.until = self.until.max(Some(Instant::now() + pause));
        self.count += u64::from(!set.was_refused);
        self.waiting.push(Set { was_refused: true, ..set });
        Ok(())
    }

    /// Those to send again, now that the pause is over.
    fn again(&mut self) -> Vec<Set> {
        self.until = None;
        let mut sets = std::mem::take(&mut self.waiting);
        sets.sort_by_key(|set| set.frame.n);
        sets
    }
}

/// Sends a set at each planned time, and answers what was acknowledged when, and what was refused before it was.
async fn write(
    mut athlete: Athlete,
    mut due: mpsc::UnboundedReceiver<Instant>,
) -> anyhow::Result<(Sent, Histogram<u64>, Refused)> {
    let mut under_way: HashMap<u64, Set> = HashMap::new();
    let (mut sent, mut delays) = (Vec::new(), histogram()?);
    let (mut paced, mut refused) = (true, Refused::default());
    while paced || !under_way.is_empty() || refused.until.is_some() {
        let again_at = refused.until.filter(|_| under_way.is_empty());
        tokio::select! {
            planned = due.recv(), if paced && refused.until.is_none() => match planned {
                Some(planned) => {
                    let frame = athlete.next();
                    athlete.command(frame.clone()).await?;
                    under_way.insert(frame.req, Set { planned, frame, was_refused: false });
                }
                None => paced = false,
            },
            () = moment(again_at) => for set in refused.again() {
                athlete.command(set.frame.clone()).await?;
                under_way.insert(set.frame.req, set);
            },
            frame = athlete.wire.next() => {
                let ServerFrame::Reply(reply) = frame? else { continue };
                let set = reply.req.and_then(|req| under_way.remove(&req)).context("a reply to nothing")?;
                if let Some(fault) = &reply.error {
                    refused.note(set, fault)?;
                    continue;
                }
                let (_, version) = accepted(reply)?;
                delays.saturating_record(since(set.planned));
                sent.push((version, set.planned));
            }
        }
    }
    Ok((sent, delays, refused))
}

/// Notes when each version arrives, until the server says goodbye.
async fn watch(mut device: Athlete) -> Received {
    let mut received = Vec::new();
    loop {
        match device.wire.next().await {
            Ok(ServerFrame::Events(events)) => {
                let now = Instant::now();
                received.extend(events.events.iter().map(|event| (event.v, now)));
            }
            Ok(_) => {}
            Err(_) => return received,
        }
    }
}

/// Checks that each version after `from` came once and in order, that every acknowledged one is among them
/// and that no two sets were acknowledged at one; counts the delays of those.
fn reconcile(
    sent: &Sent,
    from: Version,
    received: &Received,
    delays: &mut Histogram<u64>,
) -> Result<(), String> {
    let mut last = from;
    for (version, _) in received {
        if *version != last.next() {
            return Err(format!("version {} came after {}", version.0, last.0));
        }
        last = *version;
    }
    let at: HashMap<Version, Instant> = received.iter().copied().collect();
    let mut acknowledged = HashSet::new();
    for (version, planned) in sent {
        if !acknowledged.insert(version) {
            return Err(format!("two sets were acknowledged at version {}", version.0));
        }
        let received =
            at.get(version).ok_or_else(|| format!("acknowledged version {} never came", version.0))?;
        let delay = received.saturating_duration_since(*planned).as_micros();
        delays.saturating_record(u64::try_from(delay).unwrap_or(u64::MAX).max(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use spotter_protocol::{Address, ClientId, CommandId, Millis, SessionId, Start, Timestamp, UserId};
    use uuid::Uuid;

    use super::*;

    /// The n-th command of an athlete.
    fn set(n: u64) -> Set {
        let start = Start { workout: None, title: None }.into();
        let frame = CommandFrame {
            req: n,
            id: CommandId(Uuid::nil()),
            client: ClientId(Uuid::nil()),
            n,
            after: n - 1,
            at: Timestamp(0),
            to: Address::session(UserId(Uuid::nil()), SessionId(Uuid::nil())),
            command: start,
        };
        Set { planned: Instant::now(), frame, was_refused: false }
    }

    #[test]
    fn the_hundredth_commit_of_a_while_lies_within_its_bucket() {
        let commits = |seconds, counts: [f64; 3]| Commits {
            seconds,
            within: [0.001, 0.002, f64::INFINITY].into_iter().zip(counts).collect(),
        };
        let before = commits(1.0, [100.0, 100.0, 100.0]);

        let some = commits(1.2, [190.0, 200.0, 200.0]).since(&before).unwrap();
        let slow = commits(3.0, [100.0, 100.0, 101.0]).since(&before).unwrap();

        assert!((some.mean - 2.0).abs() < 1e-9 && (some.p99 - 1.9).abs() < 1e-9, "{some:?}");
        assert!((slow.p99 - 2.0).abs() < 1e-9, "{slow:?}");
        assert_eq!(before.since(&before), None);
    }

    #[test]
    fn what_is_refused_for_the_load_is_sent_again_in_order_and_all_else_is_a_failure() {
        let mut refused = Refused::default();
        let out_of_order = Fault::new(ErrorCode::OutOfOrder);
        assert!(refused.note(set(1), &out_of_order).is_err(), "it follows nothing that was refused");

        refused.note(set(8), &Fault::retry(ErrorCode::Busy, Millis(60_000))).unwrap();
        refused.note(set(7), &Fault::new(ErrorCode::Unavailable)).unwrap();
        refused.note(set(9), &out_of_order).unwrap();
        let why = refused.note(set(10), &Fault::new(ErrorCode::NotFound)).unwrap_err().to_string();
        assert!(why.contains("not_found"), "{why}");

        assert!(refused.until.is_some_and(|until| until > Instant::now()), "the server asks for a pause");
        let again = refused.again();
        assert_eq!(again.iter().map(|set| set.frame.n).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(refused.until, None);

        for set in again {
            refused.note(set, &Fault::new(ErrorCode::Busy)).unwrap();
        }
        assert_eq!(refused.count, 3, "each counts once");
        assert!(refused.codes.into_iter().eq(["busy", "unavailable"]));
    }

    #[test]
    fn a_load_that_is_refused_says_how_much_was_and_what_was_carried() {
        let mut acks = histogram().unwrap();
        acks.record_n(900, 100).unwrap();
        let mut steady = Steady {
            acks,
            deliveries: histogram().unwrap(),
            lag: histogram().unwrap(),
            each: Used { server_s: 0.0, database_s: None, log_bytes: None },
            commit_ms: None,
            flushes: histogram().unwrap(),
            refused: 25,
            codes: ["busy", "unavailable"].into(),
            carried_per_s: 7_500.4,
            broken: None,
        };
        let said = "25 of 100 sets (25.0 %) refused at first (busy, unavailable), 7500 sets/s carried";
        assert_eq!(steady.refusal().unwrap(), said);

        steady.refused = 0;
        assert_eq!(steady.refusal(), None);
    }

    fn ledger(sent: &[u64], received: &[u64]) -> Result<(), String> {
        let now = Instant::now();
        let at = |versions: &[u64]| versions.iter().map(|v| (Version(*v), now)).collect::<Vec<_>>();
        reconcile(&at(sent), Version(2), &at(received), &mut histogram().unwrap())
    }

    #[test]
    fn the_ledger_finds_what_was_lost_doubled_or_reordered() {
        assert!(ledger(&[4], &[3, 4]).is_ok());
        assert!(ledger(&[4], &[3]).is_err(), "lost");
        assert!(ledger(&[4], &[3, 3, 4]).is_err(), "doubled");
        assert!(ledger(&[4], &[4, 3]).is_err(), "reordered");
        assert!(ledger(&[4, 4], &[3, 4]).is_err(), "acknowledged as one");
    }
}
