//! What a tile deserves at a moment.

use spotter_protocol::{Attention, Badge, Glance, Millis, Phase, Timestamp};

use crate::Connected;

/// The rest taken as planned where neither the last set nor a rest says how long.
const REST_ASSUMED: Millis = Millis(180_000);

/// What a tile deserves at a moment.
pub(super) struct Look {
    pub(super) attention: Attention,
    /// Since when, by the athlete's own time.
    pub(super) since: Timestamp,
    /// The badges that are shown.
    pub(super) badges: Vec<Badge>,
    pub(super) stale: bool,
    /// When silence changes this next.
    pub(super) flip: Option<Timestamp>,
}

impl Look {
    /// How an athlete looks at `now`, of whom these are the session shown and the connections known.
    /// `is_dismissed` says whether a badge of a glance was dealt with.
    pub(super) fn at(
        now: Timestamp,
        shown: Option<&Glance>,
        connected: Option<Connected>,
        is_dismissed: impl Fn(&Glance, Badge) -> bool,
    ) -> Self {
        let leaves = connected.and_then(Connected::leaves_at).filter(|leaves| *leaves > now);
        let Some(glance) = shown else {
            // Whoever does not train waits for nothing: they stand by when they came or went.
            let since = connected.map_or(Timestamp(0), |connected| connected.presence(now).since);
            let (attention, badges) = (Attention::Away, Vec::new());
            return Self { attention, since, badges, stale: false, flip: leaves };
        };
        let rest_end = glance.rest.map(|rest| rest.start.plus(rest.duration_ms));
        let here = connected.filter(|connected| connected.is_here(now));
        let stall = here.and_then(|here| stalls_at(glance, here));
        let stall = stall.filter(|_| !is_dismissed(glance, Badge::Stalled));
        let stalled = stall.filter(|stall| *stall <= now);

        let mut badges = glance.badges.clone();
        badges.retain(|badge| !is_dismissed(glance, *badge));
        badges.extend(stalled.map(|_| Badge::Stalled));
        let has = |badge| badges.contains(&badge);

        let since_last = glance.active_at;
        let hurts = glance.pain.as_ref().filter(|_| has(Badge::Pain));
        let (attention, since) = if let Some(pain) = hurts {
            (Attention::Pain, pain.at)
        } else if has(Badge::Failed) {
            (Attention::Failed, since_last)
        } else if has(Badge::Overshoot) {
            (Attention::Overshoot, since_last)
        } else if let Some(stalled) = stalled {
            (Attention::Stalled, stalled)
        } else if has(Badge::Pr) {
            (Attention::Pr, since_last)
        } else {
            match (glance.rest, rest_end) {
                (Some(rest), Some(end)) if now < end => (Attention::Resting, rest.start),
                // Missed repetitions are a badge of somebody at work: the next set tells more than an alarm.
                (_, end) => (Attention::Working, end.map_or(since_last, |end| end.max(since_last))),
            }
        };
        // A louder attention hides the end of a rest, but never the badge of having stalled.
        let rest_flip = rest_end.filter(|_| attention == Attention::Resting);
        let stall_flip = stall.filter(|stall| *stall > now);
        let flip = [rest_flip, stall_flip, leaves].into_iter().flatten().min();
        Self { attention, since, badges, stale: connected.is_some() && here.is_none(), flip }
    }
}

/// When the athlete stalls unless a set comes: at twice the planned rest after the last set, not before a rest
/// that they announced is over, and not before they came. Never of somebody whose session is paused, who has not
/// begun, or whose last set came late and rings no alarm.
fn stalls_at(glance: &Glance, here: Connected) -> Option<Timestamp> {
    if glance.phase != Phase::Live || glance.badges.contains(&Badge::Late) {
        return None;
    }
    let last = glance.last.as_ref()?;
    let planned = last.target.as_ref().and_then(|target| target.rest);
    let planned = planned.or(glance.rest.map(|rest| rest.duration_ms)).unwrap_or(REST_ASSUMED);
    let twice = last.at.plus(planned).plus(planned).max(here.since);
    let rest_end = glance.rest.map(|rest| rest.start.plus(rest.duration_ms));
    Some(rest_end.map_or(twice, |end| twice.max(end)))
}
