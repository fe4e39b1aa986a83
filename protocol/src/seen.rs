//! What a view shows of a room's tiles. Every field is taken apart, so that a new one needs a decision here.

use std::borrow::Cow;

use crate::event::Actual;
use crate::{Attention, Badge, Glance, LastSet, Tile, TilesFrame, Timestamp, View};

impl TilesFrame {
    /// The frame as `view` shows it.
    ///
    /// An operator, who coaches none of them, sees neither pain nor cues. A screen in the room shows who trains, what they lift, how long they rest and their records. What a coach
    /// should notice is left out, and with it all it could be told from: targets, efforts, and the order of the
    /// tiles, which is by athlete.
    pub fn seen_in(&self, view: View) -> Cow<'_, Self> {
        match view {
            View::Athlete | View::Coach => Cow::Borrowed(self),
            View::Operator => {
                let mut tiles: Vec<Tile> = self.tiles.iter().map(to_operator).collect();
                tiles.sort_by_key(Tile::place);
                Cow::Owned(self.with(tiles))
            }
            View::Tv => {
                let mut tiles: Vec<Tile> = self.tiles.iter().map(on_screen).collect();
                tiles.sort_by_key(|tile| tile.athlete);
                Cow::Owned(self.with(tiles))
            }
        }
    }

    fn with(&self, tiles: Vec<Tile>) -> Self {
        let Self { to, activation, tick, full, tiles: _, gone } = self;
        Self { to: *to, activation: *activation, tick: *tick, full: *full, tiles, gone: gone.clone() }
    }
}

fn to_operator(tile: &Tile) -> Tile {
    let Tile { athlete, presence, pinned, stale, attention, since, glance } = tile;
    let glance = glance.as_ref().map(glance_to_operator);
    let (attention, since) = match (attention, &glance) {
        // What stands behind the pain; that the rest goes on as well is told by the rest.
        (Attention::Pain, Some(glance)) => (loudest(&glance.badges), glance.active_at),
        _ => (*attention, *since),
    };
    let (athlete, presence, pinned, stale) = (*athlete, *presence, *pinned, *stale);
    Tile { athlete, presence, pinned, stale, attention, since, glance }
}

fn glance_to_operator(glance: &Glance) -> Glance {
    let Glance {
        session,
        v,
        title,
        phase,
        started_at,
        active_at,
        done,
        total,
        last,
        rest,
        pain: _,
        cue: _,
        badges,
    } = glance;
    Glance {
        session: *session,
        v: *v,
        title: title.clone(),
        phase: *phase,
        started_at: *started_at,
        active_at: *active_at,
        done: *done,
        total: *total,
        last: last.clone(),
        rest: *rest,
        pain: None,
        cue: None,
        badges: badges.iter().copied().filter(|badge| *badge != Badge::Pain).collect(),
    }
}

fn loudest(badges: &[Badge]) -> Attention {
    let attention = |badge: &Badge| match badge {
        Badge::Pain => Attention::Pain,
        Badge::Failed => Attention::Failed,
        Badge::Overshoot => Attention::Overshoot,
        Badge::Stalled => Attention::Stalled,
        Badge::Pr => Attention::Pr,
        Badge::MissedReps | Badge::OffPlan | Badge::Late => Attention::Working,
    };
    badges.iter().map(attention).max().unwrap_or(Attention::Working)
}

fn on_screen(tile: &Tile) -> Tile {
    let Tile { athlete, presence: _, pinned: _, stale, attention: _, since: _, glance } = tile;
    let glance = glance.as_ref().map(glance_on_screen);
    let (attention, since) = match &glance {
        Some(glance) if glance.badges.contains(&Badge::Pr) => (Attention::Pr, glance.active_at),
        Some(glance) => (Attention::Working, glance.active_at),
        None => (Attention::Away, Timestamp(0)),
    };
    Tile { athlete: *athlete, presence: None, pinned: false, stale: *stale, attention, since, glance }
}

fn glance_on_screen(glance: &Glance) -> Glance {
    let seen = glance_to_operator(glance);
    Glance {
        last: seen.last.as_ref().map(set_on_screen),
        badges: seen.badges.iter().copied().filter(|badge| is_on_screen(*badge)).collect(),
        ..seen
    }
}

fn set_on_screen(set: &LastSet) -> LastSet {
    let LastSet { exercise, k, n, set_type, load_kind, status, target: _, actual, at, v } = set;
    let Actual { load, reps, seconds, metres, effort: _, side } = actual;
    LastSet {
        exercise: exercise.clone(),
        k: *k,
        n: *n,
        set_type: *set_type,
        load_kind: *load_kind,
        status: *status,
        target: None,
        actual: Actual {
            load: *load,
            reps: *reps,
            seconds: *seconds,
            metres: *metres,
            effort: None,
            side: *side,
        },
        at: *at,
        v: *v,
    }
}

const fn is_on_screen(badge: Badge) -> bool {
    match badge {
        Badge::Pr => true,
        Badge::Pain
        | Badge::Failed
        | Badge::Overshoot
        | Badge::MissedReps
        | Badge::OffPlan
        | Badge::Late
        | Badge::Stalled => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{Codec, ServerFrame};

    /// A frame with every field of a tile in it.
    fn a_full_frame() -> TilesFrame {
        let golden = include_bytes!("../golden/server/tiles_full.json");
        match ServerFrame::decode(Codec::Json, golden.trim_ascii()) {
            Ok(ServerFrame::Tiles(frame)) => frame,
            other => panic!("the golden file holds tiles: {other:?}"),
        }
    }

    /// The names of all fields, and all values of badges and attentions.
    fn words(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                into.push(name.clone());
                words(value, into);
            }),
            Value::Array(entries) => entries.iter().for_each(|entry| words(entry, into)),
            Value::String(text) => into.push(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    #[test]
    fn a_screen_shows_names_sets_rests_and_records_and_nothing_else_of_a_tile() {
        let frame = a_full_frame();
        let seen = serde_json::to_value(&*frame.seen_in(View::Tv)).unwrap();
        let mut told = Vec::new();
        words(&seen, &mut told);

        for private in [
            "presence",
            "here",
            "pain",
            "site",
            "cue",
            "pinned",
            "target",
            "effort",
            "overshoot",
            "missed_reps",
            "off_plan",
            "late",
            "stalled",
        ] {
            assert!(!told.iter().any(|word| word == private), "{private} in {seen}");
        }
        let failed = told.iter().filter(|word| *word == "failed").count();
        assert_eq!(failed, 1, "how a set ended is part of the set, and no alarm: {seen}");
        for shown in ["athlete", "exercise", "load", "reps", "rest", "pr", "stale", "title"] {
            assert!(told.iter().any(|word| word == shown), "{shown} in {seen}");
        }
    }

    #[test]
    fn whoever_coaches_sees_the_frame_as_it_is() {
        let frame = a_full_frame();
        for view in [View::Athlete, View::Coach] {
            assert_eq!(*frame.seen_in(view), frame);
        }
    }

    #[test]
    fn an_operator_sees_neither_pain_nor_cues_and_no_attention_for_them() {
        let frame = a_full_frame();
        let hurting = Tile { attention: Attention::Pain, ..frame.tiles[0].clone() };
        let frame = TilesFrame { tiles: vec![hurting], ..frame };
        let seen = frame.seen_in(View::Operator);

        let glance = seen.tiles[0].glance.as_ref().unwrap();
        assert_eq!((&glance.pain, &glance.cue), (&None, &None));
        assert!(!glance.badges.contains(&Badge::Pain) && glance.badges.contains(&Badge::Stalled));
        assert_eq!(seen.tiles[0].attention, Attention::Failed, "what stands behind the pain");
    }

    #[test]
    fn the_order_on_a_screen_says_nothing_of_who_needs_help() {
        let frame = a_full_frame();
        let backwards = TilesFrame { tiles: frame.tiles.iter().rev().cloned().collect(), ..frame.clone() };
        assert_eq!(frame.seen_in(View::Tv), backwards.seen_in(View::Tv));
    }

    #[test]
    fn two_tiles_that_differ_in_what_a_coach_should_notice_look_alike_on_a_screen() {
        let frame = a_full_frame();
        let noticed = &frame.tiles[0];
        let glance = noticed.glance.clone().map(|glance| Glance { badges: vec![Badge::Pr], ..glance });
        let calm = Tile { attention: Attention::Resting, pinned: false, glance, ..noticed.clone() };
        let calm = TilesFrame { tiles: vec![calm, frame.tiles[1].clone()], ..frame.clone() };
        assert_eq!(frame.seen_in(View::Tv), calm.seen_in(View::Tv));
    }
}
