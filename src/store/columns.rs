//! How values of the protocol are written in columns: closed lists as words, numbers of 64 bits with a sign.

use spotter_protocol::{Grams, LoadKind, Phase, SetStatus, SetType, Unit, Version};

/// A version as it is bound. None comes near the end of the range, except in a question.
pub(crate) fn version(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}

/// A count that uses all 64 bits, such as a client's `n`: the columns are signed, the bits are kept.
pub(super) fn count(count: u64) -> i64 {
    count.cast_signed()
}

pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Planned => "planned",
        Phase::Live => "live",
        Phase::Paused => "paused",
        Phase::Finished => "finished",
        Phase::Abandoned => "abandoned",
    }
}

pub(crate) fn load_kind(kind: LoadKind) -> &'static str {
    match kind {
        LoadKind::External => "external",
        LoadKind::PerHand => "per_hand",
        LoadKind::Bodyweight => "bodyweight",
        LoadKind::Assisted => "assisted",
        LoadKind::Stack => "stack",
        LoadKind::None => "none",
    }
}

pub(crate) fn set_type(set_type: SetType) -> &'static str {
    match set_type {
        SetType::Warmup => "warmup",
        SetType::Working => "working",
        SetType::Dropset => "dropset",
        SetType::Failure => "failure",
        SetType::Amrap => "amrap",
        SetType::Backoff => "backoff",
        SetType::Myo => "myo",
        SetType::Cluster => "cluster",
        SetType::Partial => "partial",
        SetType::Forced => "forced",
        SetType::Iso => "iso",
    }
}

pub(crate) fn status(status: SetStatus) -> &'static str {
    match status {
        SetStatus::Planned => "planned",
        SetStatus::Performed => "performed",
        SetStatus::Skipped => "skipped",
        SetStatus::Failed => "failed",
        SetStatus::Voided => "voided",
    }
}

pub(crate) fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Kg => "kg",
        Unit::Lb => "lb",
    }
}

/// Loads as a list in JSON.
pub(crate) fn loads(loads: &[Grams]) -> String {
    let loads: Vec<String> = loads.iter().map(|load| load.0.to_string()).collect();
    format!("[{}]", loads.join(","))
}
