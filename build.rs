//! Puts the built pages where the program embeds them from. Never builds or fetches anything itself.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Served where the pages would be when there are none.
const WITHOUT_PAGES: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Spotter</title>
<h1>This server was built without its pages</h1>
<p>The API and the sockets work. For the pages run <code>make web</code> and build the server again.</p>
</html>
";

fn main() -> Result<(), Box<dyn Error>> {
    let built = Path::new("web/dist");
    let embedded = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo names no OUT_DIR")?).join("pages");
    println!("cargo::rerun-if-env-changed=REQUIRE_PAGES");
    // Without pages their sources are watched: a path that is not there would mean a rerun at every build.
    println!("cargo::rerun-if-changed={}", if built.is_dir() { "web/dist" } else { "web" });

    if embedded.exists() {
        fs::remove_dir_all(&embedded)?;
    }
    if built.join("index.html").is_file() {
        return Ok(copy(built, &embedded)?);
    }
    if env::var_os("REQUIRE_PAGES").is_some_and(|value| value == "1") {
        return Err("REQUIRE_PAGES=1 and web/dist has no index.html: run `make web` first".into());
    }
    println!("cargo::warning=built without pages: run `make web`, then build again");
    fs::create_dir_all(&embedded)?;
    Ok(fs::write(embedded.join("index.html"), WITHOUT_PAGES)?)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
