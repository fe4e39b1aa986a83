//! One athlete: signs in, goes on where the session stopped or starts one, and logs set after set the way a
//! phone would, through the client alone.

use std::time::Duration;

use anyhow::{Context, bail};
use spotter_client::{Api, ApiError, Device, News};
use spotter_protocol::{
    Actual, Address, Amend, Command, Complete, Effort, EffortScale, EntityView, Fail, Finish, Load, Note,
    NoteText, Pause, Reason, Reps, Rest, Resume, SessionId, SessionView, SetId, Start, Timestamp, UserId,
    Void, WorkoutRef,
};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::chance::{Chance, Turn};
use crate::floor::Options;
use crate::log::Done;
use crate::todo::{Todo, left, own_place, own_title, placed, planned};
use crate::workouts::{self, SCALES};

/// How long a set takes, at life's speed.
const WORK: Duration = Duration::from_secs(40);
/// How long an athlete stays away between two workouts, at life's speed.
const BREAK: Duration = Duration::from_secs(600);
/// Over how long the athletes come in, at life's speed.
const COMING_IN: Duration = Duration::from_secs(120);
/// Time between two sets that were logged before there was signal.
const BETWEEN_SETS_MICROS: i64 = 180 * 1_000_000;
/// How often a server that is busy is asked to sign somebody in.
const SIGN_IN_TRIES: u32 = 20;
/// One workout in so many is not from the plan.
const AD_HOC_IN: u32 = 8;

/// Who an athlete is.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) number: usize,
    pub(crate) gym: &'static str,
    pub(crate) email: String,
    /// Which of the scaled copies of a workout is theirs.
    pub(crate) scale: usize,
}

pub(crate) struct Athlete {
    person: Person,
    api: Api,
    taken: Vec<Done>,
    options: Options,
    clock: fn() -> Timestamp,
    chance: Chance,
}

/// An athlete on the floor.
struct Training {
    athlete: Athlete,
    device: Device,
    news: mpsc::Receiver<News>,
    me: UserId,
    session: Address,
    /// Sets still to be done without signal.
    without_signal: u32,
}

impl Athlete {
    pub(crate) fn new(
        person: Person,
        api: Api,
        taken: Vec<Done>,
        options: Options,
        clock: fn() -> Timestamp,
    ) -> Self {
        let chance = Chance::new(options.seed ^ (person.number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { person, api, taken, options, clock, chance }
    }

    /// Trains until the task is cancelled.
    pub(crate) async fn train(mut self, password: &str) -> anyhow::Result<()> {
        let pass = self.sign_in(password).await?;
        let me = pass.user.id;
        let (device, mut news) = Device::start(self.api.clone(), pass, self.clock);
        let running = loop {
            match news.recv().await.context("the server does not take this device")? {
                News::Online(welcome) => break welcome.sessions.first().map(|live| live.session),
                News::Offline(_) | News::NotFollowed(_) | News::Answered(_) => {}
                News::Snapshot(_) | News::Events(_) | News::Tiles(_) => {}
            }
        };
        let session = Address::session(me, running.unwrap_or(SessionId(Uuid::now_v7())));
        let mut training = Training { athlete: self, device, news, me, session, without_signal: 0 };
        match running {
            Some(_) => training.go_on().await?,
            None => training.come_in().await?,
        }
        loop {
            let rest = training.athlete.chance.around(BREAK);
            training.wait(rest).await?;
            training.begin(0).await?;
        }
    }

    async fn sign_in(&mut self, password: &str) -> anyhow::Result<spotter_client::Pass> {
        for _ in 0..SIGN_IN_TRIES {
            match self.api.login(self.person.gym, &self.person.email, password).await {
                Ok(pass) => return Ok(pass),
                Err(ApiError::Refused { status: 401, detail, .. }) => {
                    bail!("{}: {detail}", self.person.email)
                }
                Err(ApiError::Refused { .. } | ApiError::Unreachable(_)) => {
                    let wait = self.chance.around(Duration::from_millis(500));
                    tokio::time::sleep(wait).await;
                }
            }
        }
        bail!("{} cannot sign in", self.person.email)
    }

    /// The part of the real log that a session follows.
    fn taken_of(&self, state: &SessionView) -> Option<&Done> {
        let follows = |place: &usize| match state.workout {
            Some(reference) => workouts::id(*place, self.person.scale) == reference.id,
            None => own_title(&self.taken[*place]) == state.title,
        };
        (0..self.taken.len()).find(follows).map(|place| &self.taken[place])
    }
}

impl Training {
    /// Comes onto the floor. Two of three have been at it for a while where there was no signal: what their
    /// phones kept arrives now, each set at its own time.
    async fn come_in(&mut self) -> anyhow::Result<()> {
        match self.athlete.person.number % 3 {
            0 => {
                let wait = self.athlete.chance.around(COMING_IN);
                self.wait(wait).await?;
                self.begin(0).await
            }
            _ => {
                let kept = self.athlete.chance.from(2..=9);
                self.begin(kept).await
            }
        }
    }

    /// Starts a session and does it to its end. The first `kept` sets were done before now.
    async fn begin(&mut self, kept: u32) -> anyhow::Result<()> {
        self.session = Address::session(self.me, SessionId(Uuid::now_v7()));
        let choice = self.athlete.chance.pick(self.athlete.taken.len());
        let done = self.athlete.taken[choice].clone();
        let ad_hoc = self.athlete.chance.from(1..=AD_HOC_IN) == 1;
        let id = workouts::id(choice, self.athlete.person.scale);
        let start = match ad_hoc {
            true => Start { workout: None, title: Some(own_title(&done)) },
            false => Start { workout: Some(WorkoutRef { id, revision: 1 }), title: None },
        };
        let spread = i64::from(kept + 1) * BETWEEN_SETS_MICROS;
        self.say((self.athlete.clock)().shifted(-spread), start).await?;
        let todo = match ad_hoc {
            true => placed(&done, &[]),
            false => planned(SessionId(self.session.id), &done),
        };
        let (before, now) = todo.split_at(todo.len().min(kept as usize));
        for (place, todo) in before.iter().enumerate() {
            let ago = (before.len() - place) as i64 * BETWEEN_SETS_MICROS - BETWEEN_SETS_MICROS / 2;
            let at = (self.athlete.clock)().shifted(-ago);
            let actual = self.athlete.actual(todo, Turn::None)?;
            self.say(at, Complete { set: todo.set, actual, place: todo.place.clone() }).await?;
        }
        self.finish(now).await
    }

    /// Goes on with a session that was running before this phone was switched on.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        self.device.follow(self.session).await?;
        let state = loop {
            match self.news.recv().await.context("the device has ended")? {
                News::Snapshot(snapshot) if snapshot.to == self.session => match snapshot.state {
                    EntityView::Session(state) => break state,
                    EntityView::Inbox(_) | EntityView::Room(_) => {
                        bail!("a session shows itself as something else")
                    }
                },
                News::NotFollowed(_) => bail!("my own session is kept from me"),
                News::Snapshot(_) | News::Events(_) | News::Tiles(_) => {}
                News::Online(_) | News::Offline(_) | News::Answered(_) => {}
            }
        };
        if state.phase == spotter_protocol::Phase::Paused {
            self.say_now(Resume {}).await?;
        }
        let Some(done) = self.athlete.taken_of(&state).cloned() else {
            // Of another version of this demo: nobody knows what was meant to follow.
            return self.say_now(Finish {}).await;
        };
        let left = left(&done, SessionId(self.session.id), &state);
        self.finish(&left).await
    }

    async fn finish(&mut self, todo: &[Todo<'_>]) -> anyhow::Result<()> {
        for set in todo {
            let work = self.athlete.chance.around(WORK);
            self.wait(work).await?;
            self.perform(set).await?;
            self.find_signal().await?;
            let rest = workouts::rest(set.done.set_type);
            let start = (self.athlete.clock)();
            self.say_now(Rest { after: Some(set.set), start, duration_ms: rest }).await?;
            let wait = self.athlete.chance.around(Duration::from_millis(rest.0.into()));
            self.wait(wait).await?;
        }
        self.say_now(Finish {}).await
    }

    /// Does one set, as planned or not.
    async fn perform(&mut self, todo: &Todo<'_>) -> anyhow::Result<()> {
        let turn = self.athlete.chance.turn();
        let (set, place) = (todo.set, todo.place.clone());
        let actual = self.athlete.actual(todo, turn)?;
        match turn {
            Turn::Fail => return self.say_now(Fail { set, actual, place }).await,
            Turn::LoseSignal if self.without_signal == 0 => {
                self.without_signal = self.athlete.chance.from(2..=6);
                self.device.signal(false).await?;
            }
            Turn::Interrupt => {
                self.say_now(Pause {}).await?;
                self.wait(Duration::from_secs(120)).await?;
                self.say_now(Resume {}).await?;
            }
            Turn::Mistype => {
                let wrong = Actual {
                    reps: actual.reps.map(|_| Reps::new(44)).transpose().map_err(anyhow::Error::msg)?,
                    ..actual.clone()
                };
                self.say_now(Complete { set, actual: wrong, place }).await?;
                self.wait(Duration::from_secs(15)).await?;
                let reason = Some(Reason::clipped("mistyped"));
                return self.say_now(Amend { set, actual, reason }).await;
            }
            Turn::Misfire => {
                self.say_now(Complete { set, actual: actual.clone(), place: place.clone() }).await?;
                self.say_now(Void { set, reason: Some(Reason::clipped("pressed by mistake")) }).await?;
                self.wait(WORK).await?;
            }
            Turn::None
            | Turn::Overshoot
            | Turn::MissReps
            | Turn::GoHeavier
            | Turn::OneMore
            | Turn::Remark
            | Turn::LoseSignal => {}
        }
        self.say_now(Complete { set, actual: actual.clone(), place }).await?;
        match turn {
            Turn::OneMore => {
                let place = todo.place.clone().unwrap_or_else(|| own_place(todo));
                let set = SetId(Uuid::now_v7());
                self.wait(WORK).await?;
                self.say_now(Complete { set, actual, place: Some(place) }).await
            }
            Turn::Remark => {
                let remarks =
                    ["felt easy", "grip slipped a bit", "left shoulder tight", "best speed this month"];
                let text = NoteText::clipped(remarks[self.athlete.chance.pick(remarks.len())]);
                self.say_now(Note { set: Some(set), text }).await
            }
            Turn::None
            | Turn::Fail
            | Turn::Overshoot
            | Turn::MissReps
            | Turn::GoHeavier
            | Turn::Mistype
            | Turn::Misfire
            | Turn::Interrupt
            | Turn::LoseSignal => Ok(()),
        }
    }

    /// Comes back into signal after the sets that were to be done without.
    async fn find_signal(&mut self) -> anyhow::Result<()> {
        if self.without_signal > 0 {
            self.without_signal -= 1;
            if self.without_signal == 0 {
                self.device.signal(true).await?;
            }
        }
        Ok(())
    }

    async fn say_now(&mut self, command: impl Into<Command>) -> anyhow::Result<()> {
        self.say((self.athlete.clock)(), command).await
    }

    async fn say(&mut self, at: Timestamp, command: impl Into<Command>) -> anyhow::Result<()> {
        self.device.command(self.session, at, command).await?;
        Ok(())
    }

    /// Waits `life` at the speed of the floor, and hears what the server says meanwhile.
    async fn wait(&mut self, life: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + life / self.athlete.options.speed.max(1);
        while let Ok(news) = tokio::time::timeout_at(until, self.news.recv()).await {
            if let News::Answered(answered) = news.context("the device has ended")?
                && let Err(fault) = answered.outcome
            {
                tracing::debug!(email = %self.athlete.person.email, %fault, "refused");
            }
        }
        Ok(())
    }
}

impl Athlete {
    /// What is done in a set: what the lifter of the log did, at this athlete's scale, unless it turns out
    /// otherwise.
    fn actual(&mut self, todo: &Todo<'_>, turn: Turn) -> anyhow::Result<Actual> {
        let percent = SCALES[self.person.scale];
        let grams = todo.done.grams.filter(|_| workouts::has_load(todo.exercise.movement.load));
        let heavier = if turn == Turn::GoHeavier { 110 } else { 100 };
        let load: Option<Load> = grams
            .map(|grams| {
                let scaled = workouts::scaled(grams, percent);
                let lifted = if heavier > 100 { workouts::scaled(scaled, heavier) } else { scaled };
                workouts::load(lifted, self.unit())
            })
            .transpose()?;
        let fewer = if matches!(turn, Turn::Fail | Turn::MissReps) { self.chance.from(2..=3) } else { 0 };
        let reps = todo.done.reps.map(|reps| Reps::new(reps.saturating_sub(fewer).max(1))).transpose();
        let felt = match (turn, todo.done.rpe) {
            (Turn::Overshoot, Some(rpe)) => Some(rpe.saturating_add(20).min(100)),
            (Turn::Fail, Some(_)) => Some(100),
            (_, felt) => felt,
        };
        Ok(Actual {
            load,
            reps: reps.map_err(anyhow::Error::msg)?,
            seconds: todo
                .done
                .seconds
                .map(spotter_protocol::Seconds::new)
                .transpose()
                .map_err(anyhow::Error::msg)?,
            metres: todo
                .done
                .metres
                .map(spotter_protocol::Metres::new)
                .transpose()
                .map_err(anyhow::Error::msg)?,
            effort: felt.and_then(|tenths| Effort::new(EffortScale::Rpe, tenths).ok()),
            side: None,
        })
    }

    /// Every fifth athlete thinks in pounds.
    const fn unit(&self) -> spotter_protocol::Unit {
        if self.person.number % 5 == 4 { spotter_protocol::Unit::Lb } else { spotter_protocol::Unit::Kg }
    }
}
