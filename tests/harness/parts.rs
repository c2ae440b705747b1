//! Parts that are not of this repository: `tests/parts` installs them, and a test that misses one says so.

use std::env;
use std::path::PathBuf;

/// A program of the system, or `None` where it is not there and a test cannot show what it wants to.
///
/// # Panics
/// Where it is not there though all parts are promised (`ATP_TESTS_REQUIRE_PARTS`).
pub(crate) fn part(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Daemons lie where only root's path leads.
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    found(name, folders.map(|folder| folder.join(name)).find(|program| program.is_file()))
}

/// A folder or file under `target/parts`, or `None` as above.
///
/// # Panics
/// Where it is not there though all parts are promised (`ATP_TESTS_REQUIRE_PARTS`).
pub(crate) fn unpacked_part(name: &str) -> Option<PathBuf> {
    let parts = env::var_os("ATP_PARTS").map(PathBuf::from);
    found(name, parts.map(|parts| parts.join(name)).filter(|path| path.exists()))
}

fn found(name: &str, path: Option<PathBuf>) -> Option<PathBuf> {
    if path.is_none() {
        assert!(env::var_os("ATP_TESTS_REQUIRE_PARTS").is_none(), "{name} is not there, though all parts are promised");
        println!("not shown: {name} is not installed; ./tests/run installs it");
    }
    path
}
