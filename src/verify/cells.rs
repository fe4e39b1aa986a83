//! Rows of the read models as they should stand in their columns, to be compared with those that do.

use std::fmt;

use spotter_protocol::GymId;
use spotter_rules::{BestsRow, SessionRow, SetRow};
use uuid::Uuid;

use crate::db::Row;
use crate::store::columns::{load_kind, loads, phase, set_type, status, unit, version};

/// What a column should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Id(Option<Uuid>),
    Int(Option<i64>),
    Text(Option<String>),
}

/// The columns of a row.
pub(super) type Cells = Vec<(&'static str, Cell)>;

impl Cell {
    fn id(id: impl Into<Option<Uuid>>) -> Self {
        Self::Id(id.into())
    }

    fn int(number: impl Into<i64>) -> Self {
        Self::Int(Some(number.into()))
    }

    fn maybe(number: Option<impl Into<i64>>) -> Self {
        Self::Int(number.map(Into::into))
    }

    fn text(text: impl Into<String>) -> Self {
        Self::Text(Some(text.into()))
    }

    /// What the column does hold.
    fn read(&self, row: &Row, column: &str) -> sqlx::Result<Self> {
        Ok(match self {
            Self::Id(_) => Self::Id(row.get(column)?),
            Self::Int(_) => Self::Int(row.get(column)?),
            Self::Text(_) => Self::Text(row.get(column)?),
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(Some(id)) => id.fmt(f),
            Self::Int(Some(number)) => number.fmt(f),
            Self::Text(Some(text)) => write!(f, "{text:?}"),
            Self::Id(None) | Self::Int(None) | Self::Text(None) => f.write_str("absent"),
        }
    }
}

/// In which columns a row differs from what it should hold; `None` when in none.
pub(super) fn differences(row: &Row, should: &Cells) -> sqlx::Result<Option<String>> {
    let mut said = Vec::new();
    for (column, should) in should {
        let is = should.read(row, column)?;
        if is != *should {
            said.push(format!("{column} is {is} and by the events {should}"));
        }
    }
    Ok((!said.is_empty()).then(|| said.join("; ")))
}

pub(super) fn session(gym: GymId, row: &SessionRow) -> Cells {
    vec![
        ("gym", Cell::id(gym.0)),
        ("phase", Cell::text(phase(row.phase))),
        ("title", Cell::text(row.title.as_str())),
        ("workout", Cell::id(row.workout.map(|workout| workout.id.0))),
        ("revision", Cell::maybe(row.workout.map(|workout| workout.revision))),
        ("started_at", Cell::int(row.started_at.0)),
        ("finished_at", Cell::maybe(row.finished_at.map(|at| at.0))),
        ("version", Cell::int(version(row.version))),
        ("done", Cell::int(row.done)),
        ("total", Cell::int(row.total)),
        ("volume_g", Cell::int(row.volume_g.cast_signed())),
    ]
}

pub(super) fn set(gym: GymId, row: &SetRow) -> Cells {
    vec![
        ("gym", Cell::id(gym.0)),
        ("load_kind", Cell::text(load_kind(row.load_kind))),
        ("set_type", Cell::text(set_type(row.set_type))),
        ("status", Cell::text(status(row.status))),
        ("at", Cell::int(row.at.0)),
        ("received_at", Cell::int(row.received_at.0)),
        ("typed", Cell::maybe(row.load.map(|load| load.typed()))),
        ("unit", Cell::Text(row.load.map(|load| unit(load.unit()).to_owned()))),
        ("grams", Cell::maybe(row.load.map(|load| load.grams().0))),
        ("reps", Cell::maybe(row.reps.map(|reps| reps.get()))),
        ("seconds", Cell::maybe(row.seconds.map(|seconds| seconds.get()))),
        ("metres", Cell::maybe(row.metres.map(|metres| metres.get()))),
        ("rpe_tenths", Cell::maybe(row.rpe_tenths)),
        ("e1rm", Cell::maybe(row.e1rm.map(|grams| grams.0))),
    ]
}

pub(super) fn bests(gym: GymId, row: &BestsRow) -> Cells {
    vec![
        ("gym", Cell::id(gym.0)),
        ("first_at", Cell::maybe(row.span.map(|(first, _)| first.0))),
        ("last_at", Cell::maybe(row.span.map(|(_, last)| last.0))),
        ("heaviest", Cell::maybe(row.bests.heaviest.map(|grams| grams.0))),
        ("e1rm", Cell::maybe(row.bests.e1rm.map(|grams| grams.0))),
        ("rep_max", Cell::text(loads(&row.bests.rep_max))),
    ]
}
