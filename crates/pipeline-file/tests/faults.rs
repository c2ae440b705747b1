//! Files with faults: every fault of a file is told in one run, each with its path, line, column and near miss.
//! `tests/faults/NAME.yaml` is the file, `tests/faults/NAME.snap` is what is said of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pipeline_file::{Environment, Faults, check, load};

fn environment() -> Environment {
    Environment { folder: PathBuf::from("/etc/atp-forwarder"), state_directory: None }
}

fn faults_of(text: &str) -> Faults {
    check(text, Path::new("pipeline.yaml"), &environment()).expect_err("there is a fault in it")
}

/// The faulty files, by name.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let entries = std::fs::read_dir(folder).expect("the folder is part of the repository");
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    paths.filter_map(|path| named(&path)).collect()
}

fn named(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".yaml")?;
    Some((name.to_owned(), std::fs::read_to_string(path).expect("a file that was just listed")))
}

/// What is said of each file is what was reviewed: no fault is lost, invented or worded anew by accident.
#[test]
fn every_fault_is_told_at_once() {
    insta::with_settings!({ snapshot_path => "faults", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, text) in files() {
            insta::assert_snapshot!(name, faults_of(&text));
        }
    });
}

/// Every fault points at a line and a column that exist, and they come in the order of the file.
#[test]
fn every_fault_has_a_place_in_the_file() {
    for (name, text) in files() {
        let faults = faults_of(&text);
        let places: Vec<_> = faults.iter().map(|fault| fault.place.expect("a place")).collect();
        assert!(places.is_sorted(), "{name}");
        for place in places {
            let line =
                text.split('\n').nth(place.line - 1).unwrap_or_else(|| panic!("{name} has no line {}", place.line));
            assert!(place.column <= line.chars().count() + 1, "{name}:{}:{}", place.line, place.column);
        }
    }
}

/// What cannot be read as YAML comes alone: everything else said of such a file would be a guess.
#[test]
fn what_has_no_tree_comes_alone() {
    for (name, text) in files().into_iter().filter(|(name, _)| name.starts_with("alone-")) {
        assert_eq!(faults_of(&text).iter().count(), 1, "{name}");
    }
}

/// No fault repeats a value of the file, nor a key where a secret was expected.
#[test]
fn no_secret_is_repeated() {
    let (_, text) = files().into_iter().find(|(name, _)| name == "secrets").unwrap();
    let faults = faults_of(&text);
    for told in [faults.to_string(), format!("{faults:?}")] {
        assert!(!told.contains("CANARY") && !told.contains("314159"), "{told}");
    }
    // Every canary but those in the names of a variable and of a file has a fault, so that none was merely not reached.
    let lines =
        |number: usize| faults.iter().filter(|fault| fault.place.is_some_and(|place| place.line == number)).count();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains("CANARY")) {
        assert!(lines(number + 1) > 0, "{line}");
    }
}

/// A file made to exhaust its reader is refused with one sentence, before anything is built of it: a few lines of
/// aliases that stand for billions of values, and depth by brackets, by indentation and by aliases of aliases.
#[test]
fn bombs_come_alone() {
    let lines = |count: usize, line: &dyn Fn(usize) -> String| {
        (1..count).fold("a0: &a0 x\n".to_owned(), |mut text, level| {
            writeln!(text, "{}", line(level)).unwrap();
            text
        })
    };
    let billions = lines(40, &|level| format!("a{level}: &a{level} [*a{0}, *a{0}, *a{0}]", level - 1));
    let aliases = lines(100_000, &|level| format!("a{level}: &a{level} {{ k: *a{} }}", level - 1));
    let indentation = lines(10_000, &|level| format!("{}k:", " ".repeat(level)));
    for (bomb, sentence) in [
        (billions, "with its aliases written out it has more than 1000000 values"),
        (aliases, "nested deeper than 64 levels"),
        (indentation[10..].to_owned(), "nested deeper than 64 levels"),
        ("[".repeat(1_000_000), "nested deeper than 64 levels"),
        ("{a: ".repeat(1_000_000), "nested deeper than 64 levels"),
    ] {
        let faults = faults_of(&bomb);
        let told: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(told, [sentence]);
    }
}

/// A file that cannot be read, is no text or is endless is one fault that names it.
#[test]
fn unreadable_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("binary.yaml");
    std::fs::write(&binary, b"tenants:\n  a: \xff\n").unwrap();
    for (file, end) in [
        (folder.path().join("none.yaml"), "none.yaml: failed to read the file: No such file or directory (os error 2)"),
        (folder.path().to_owned(), ": failed to read the file: Is a directory (os error 21)"),
        (binary, "binary.yaml: not UTF-8 text, from line 2 on"),
        (PathBuf::from("/dev/zero"), "/dev/zero: larger than 16 MiB"),
    ] {
        let told = load(&file).unwrap_err().to_string();
        let first = told.lines().next().unwrap();
        assert!(first.ends_with(end), "{told}");
        assert!(told.ends_with(&format!("1 fault in {}", file.display())), "{told}");
    }
}
