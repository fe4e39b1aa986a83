//! Entities whole, as snapshots and later streams hold them: a form that a release has written is read for ever.

use std::path::PathBuf;

use spotter_rules::{Entity, Rules};

/// Holds the stored form of a kind to its file, which `UPDATE_GOLDEN=1` writes, and reads every earlier one.
pub(crate) fn hold<S: Rules>(entity: &Entity<S>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let kind = S::KIND.as_str();
    let path = folder.join(format!("{kind}.{}.msgpack", S::FORM));
    let stored = entity.to_stored().unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &stored).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), stored, "run with UPDATE_GOLDEN=1 to write it");
    assert_eq!(Entity::from_stored(S::FORM, &stored).as_ref(), Some(entity));

    for file in std::fs::read_dir(&folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let form = name.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".msgpack"));
        let Some(form) = form else { continue };
        let read =
            Entity::<S>::from_stored(form.parse().unwrap(), &std::fs::read(folder.join(&name)).unwrap());
        assert!(read.is_some(), "{name} is read for ever");
    }
}
