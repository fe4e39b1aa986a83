//! Files that hold a form still: compared by default, written only when asked for.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder of golden files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Compares `bytes` with the file `name` of the folder. With `UPDATE_GOLDEN=1` writes it instead.
///
/// # Panics
/// When the file is missing or differs.
pub(crate) fn check(name: &str, bytes: &[u8]) {
    let path = folder().join(name);
    if asked_to_write() {
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folder can be made");
        fs::write(&path, bytes).expect("golden file can be written");
    }
    let held = read(name);
    assert!(
        held == bytes,
        "{name} no longer holds.\n  file: {}\n  code: {}\n\
         If no release has written the old form yet, UPDATE_GOLDEN=1 writes the new one.",
        String::from_utf8_lossy(&held),
        String::from_utf8_lossy(bytes),
    );
}

/// The bytes of the file `name` of the folder.
///
/// # Panics
/// When it is missing.
pub(crate) fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap_or_else(|error| panic!("golden file {name}: {error}"))
}

/// The names of the files in the sub-folder `of` that end in `ending`, without it, in order.
///
/// # Panics
/// When the folder cannot be listed.
pub(crate) fn names(of: &str, ending: &str) -> Vec<String> {
    let entries =
        fs::read_dir(folder().join(of)).unwrap_or_else(|error| panic!("golden folder {of}: {error}"));
    let names = entries.map(|entry| entry.expect("entry can be read").file_name().into_string());
    let names = names.map(|name| name.expect("file names are UTF-8"));
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect();
    names.sort();
    names
}

fn asked_to_write() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value == "1")
}
