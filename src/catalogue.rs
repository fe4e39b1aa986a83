//! The exercise catalogue that is part of the program, as the API serves it.

use std::sync::LazyLock;

use axum::body::Bytes;

use crate::digest::{hex, sha256};

/// The catalogue's entries as `data/exercises.json` has them.
const ENTRIES: &str = include_str!("../data/exercises.json");

/// The catalogue ready to be sent.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// `{"exercises": […]}`.
    pub body: Bytes,
    /// Names this content: a quoted ETag.
    pub etag: String,
}

/// The catalogue; made when it is first asked for.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let body = Bytes::from(format!("{{\"exercises\":{ENTRIES}}}"));
        let etag = format!("\"{}\"", hex(&sha256(&body)[..16]));
        Catalogue { body, etag }
    });
    &CATALOGUE
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use spotter_protocol::{ExerciseId, Name};

    use super::*;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        exercises: Vec<Entry>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        id: ExerciseId,
        name: Name,
        equipment: String,
        primary_muscles: Vec<String>,
        measurement_type: String,
    }

    #[test]
    fn every_entry_has_an_id_of_its_own_and_what_the_pages_show() {
        let body: Body = serde_json::from_slice(&catalogue().body).unwrap();

        let ids: BTreeSet<_> = body.exercises.iter().map(|entry| &entry.id).collect();

        assert_eq!(ids.len(), body.exercises.len());
        assert_eq!(ids.len(), 991);
        for entry in &body.exercises {
            assert!(!entry.name.as_str().is_empty() && !entry.equipment.is_empty(), "{}", entry.id);
            assert!(!entry.primary_muscles.is_empty() && !entry.measurement_type.is_empty(), "{}", entry.id);
        }
    }
}
