//! What athlete and coach tell each other beside the sets: readiness, pain, and cues with their receipts.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use spotter_protocol::{
    Cue, CueActed, CueDelivered, CueGlance, CueId, CueSeen, CueState, CueView, Cued, ErrorCode, Pain,
    PainGlance, PainLevel, PainNoted, PainView, Readiness, ReadinessNoted, ReadinessView, SessionCommand,
    SessionEvent, Stamp, Timestamp, Version,
};

use super::log::Log;
use super::{CUES_MAX, PAINS_MAX};
use crate::Ask;

type Decision = Result<Vec<SessionEvent>, ErrorCode>;

/// Rare beside the sets of a session, and kept apart from them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Care {
    pub(super) readiness: Option<ReadinessView>,
    /// Oldest first by their own time.
    pub(super) pains: Vec<PainView>,
    /// The newest pain that rings an alarm, and the version that told it: it came in time.
    alarm: Option<(Timestamp, Version)>,
    /// Oldest first as they came.
    pub(super) cues: Vec<CueView>,
}

impl Log {
    pub(super) fn feel(&self, readiness: &Readiness) -> Decision {
        let feeling = readiness.feeling;
        Ok(vec![ReadinessNoted { feeling, score_tenths: feeling.score_tenths() }.into()])
    }

    pub(super) fn hurt(&self, pain: &Pain) -> Decision {
        self.knows(pain.set)?;
        if self.care().is_some_and(|care| care.pains.len() >= PAINS_MAX) {
            return Err(ErrorCode::Full);
        }
        let Pain { level, site, set, text } = pain.clone();
        Ok(vec![PainNoted { level, site, set, text }.into()])
    }

    pub(super) fn cue(&self, ask: &Ask<'_, SessionCommand>, cue: &Cue) -> Decision {
        self.knows(cue.set)?;
        if !self.phase().is_running() {
            return Err(ErrorCode::NotRunning);
        }
        if self.find_cue(cue.cue).is_some() {
            return Err(ErrorCode::NoChange);
        }
        let held = self.care().map_or(&[][..], |care| &care.cues);
        if held.len() >= CUES_MAX && !held.iter().any(|one| is_over(one, ask.at())) {
            return Err(ErrorCode::Full);
        }
        let expires_at = cue.expires_ms.map(|length| ask.at().plus(length));
        let Cue { cue, text, group, set, .. } = cue.clone();
        Ok(vec![Cued { cue, text, group, set, expires_at }.into()])
    }

    pub(super) fn deliver(&self, cue: CueId) -> Decision {
        let held = self.find_cue(cue).ok_or(ErrorCode::UnknownCue)?;
        fresh(held.delivered_at, CueDelivered { cue })
    }

    pub(super) fn see(&self, cue: CueId) -> Decision {
        let held = self.find_cue(cue).ok_or(ErrorCode::UnknownCue)?;
        fresh(held.seen_at, CueSeen { cue })
    }

    pub(super) fn act(&self, cue: CueId) -> Decision {
        let held = self.find_cue(cue).ok_or(ErrorCode::UnknownCue)?;
        fresh(held.acted_at, CueActed { cue })
    }

    /// Folds in what was told; other events change nothing here.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the fold of all events names each once")]
    pub(super) fn take_care(&mut self, event: &SessionEvent, v: Version, stamp: &Stamp) {
        let (by, at) = (stamp.author, stamp.at);
        match event {
            SessionEvent::ReadinessNoted(ReadinessNoted { feeling, score_tenths }) => {
                let told = ReadinessView { feeling: *feeling, score_tenths: *score_tenths, at };
                let known = &mut self.care_mut().readiness;
                // Answers that come late do not replace newer ones.
                if known.is_none_or(|known| known.at <= at) {
                    *known = Some(told);
                }
            }
            SessionEvent::PainNoted(PainNoted { level, site, set, text }) => {
                let care = self.care_mut();
                if !at.is_late(stamp.received_at) {
                    care.alarm = care.alarm.max(Some((at, v)));
                }
                let place = care.pains.partition_point(|pain| pain.at <= at);
                let (site, text) = (site.clone(), text.clone());
                care.pains.insert(place, PainView { level: *level, site, set: *set, text, by, at });
            }
            SessionEvent::Cued(Cued { cue, text, group, set, expires_at }) => {
                let care = self.care_mut();
                if care.cues.len() >= CUES_MAX
                    && let Some(over) = care.cues.iter().position(|one| is_over(one, at))
                {
                    care.cues.remove(over);
                }
                care.cues.push(CueView {
                    cue: *cue,
                    text: text.clone(),
                    group: *group,
                    set: *set,
                    expires_at: *expires_at,
                    by,
                    at,
                    delivered_at: None,
                    seen_at: None,
                    acted_at: None,
                });
            }
            SessionEvent::CueDelivered(CueDelivered { cue }) => self.mark(*cue, |cue| {
                cue.delivered_at.get_or_insert(at);
            }),
            SessionEvent::CueSeen(CueSeen { cue }) => self.mark(*cue, |cue| {
                cue.delivered_at.get_or_insert(at);
                cue.seen_at.get_or_insert(at);
            }),
            SessionEvent::CueActed(CueActed { cue }) => self.mark(*cue, |cue| {
                cue.delivered_at.get_or_insert(at);
                cue.seen_at.get_or_insert(at);
                cue.acted_at.get_or_insert(at);
            }),
            _ => {}
        }
    }

    pub(super) fn care(&self) -> Option<&Care> {
        self.care.as_deref()
    }

    fn care_mut(&mut self) -> &mut Care {
        self.care.get_or_insert_default()
    }

    fn find_cue(&self, cue: CueId) -> Option<&CueView> {
        self.care()?.cues.iter().find(|held| held.cue == cue)
    }

    fn mark(&mut self, cue: CueId, mark: impl FnOnce(&mut CueView)) {
        if let Some(held) = self.care_mut().cues.iter_mut().find(|held| held.cue == cue) {
            mark(held);
        }
    }
}

impl Care {
    /// The newest pain that nobody has said is gone, and whether it was told in time.
    pub(super) fn pain(&self) -> Option<(PainGlance, bool)> {
        let gone = |place: usize, pain: &PainView| {
            self.pains[place + 1..]
                .iter()
                .any(|later| later.site == pain.site && later.level == PainLevel::default())
        };
        let mut newest_first = self.pains.iter().enumerate().rev();
        let (_, pain) =
            newest_first.find(|(place, pain)| pain.level > PainLevel::default() && !gone(*place, pain))?;
        let alarm = self.alarm.filter(|(at, _)| *at >= pain.at);
        let v = alarm.map_or(Version(0), |(_, v)| v);
        Some((PainGlance { level: pain.level, site: pain.site.clone(), at: pain.at, v }, alarm.is_some()))
    }

    /// The newest cue.
    pub(super) fn newest_cue(&self) -> Option<CueGlance> {
        let cue = self.cues.last()?;
        let state = match (cue.delivered_at, cue.seen_at, cue.acted_at) {
            (_, _, Some(_)) => CueState::Acted,
            (_, Some(_), None) => CueState::Seen,
            (Some(_), None, None) => CueState::Delivered,
            (None, None, None) => CueState::Sent,
        };
        Some(CueGlance { cue: cue.cue, group: cue.group, state, at: cue.at, expires_at: cue.expires_at })
    }
}

/// Acted on or expired: a cue that may be forgotten for a new one.
fn is_over(cue: &CueView, at: Timestamp) -> bool {
    cue.acted_at.is_some() || cue.expires_at.is_some_and(|end| end <= at)
}

fn fresh(known: Option<Timestamp>, event: impl Into<SessionEvent>) -> Decision {
    match known {
        Some(_) => Err(ErrorCode::NoChange),
        None => Ok(vec![event.into()]),
    }
}
