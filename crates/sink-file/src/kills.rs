//! Kills and full disks at every single call to the operating system while files are written, rotated, compressed and
//! removed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::archive::tidy;
use crate::disk::failing::Failing;
use crate::disk::{Disk, System};
use crate::line_file::LineFile;
use crate::options::{Compression, Keep, Rotate};
use crate::rotated::{State, rotated};
use crate::settings::Settings;

/// Batches of a run, lines of a batch, and batches of a file.
const BATCHES: usize = 7;
const LINES: usize = 3;
const FILE: u64 = 2;

fn settings(disk: Arc<dyn Disk>, compress: Option<Compression>) -> Arc<Settings> {
    let size = batch(0).len() as u64 * FILE;
    let rotate = Rotate { size: Some(size), every: None, keep: Keep::All, compress };
    Arc::new(Settings { folder: None, mode: None, group: None, rotate: Some(rotate), disk, now: SystemTime::now })
}

fn line(number: usize) -> String {
    format!("line {number:04}")
}

fn batch(index: usize) -> Vec<u8> {
    (0..LINES).flat_map(|line_of| (line(index * LINES + line_of) + "\n").into_bytes()).collect()
}

/// Writes batches in their order, as a lane does: the one that fails goes again. Returns those that are left when none
/// gets through any more, as after a kill.
fn write(path: &Path, settings: &Arc<Settings>, batches: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let mut file = LineFile::new(path.to_owned(), Arc::clone(settings));
    for index in batches.clone() {
        let mut attempts = (0..4).map(|_| file.write(&batch(index)));
        let Some(rotated) = attempts.find_map(Result::ok) else { return index..batches.end };
        // Rotated files are looked after beside the writing; what comes of it is no matter for what follows.
        let _ = rotated.then(|| tidy(path, settings));
    }
    batches.end..batches.end
}

/// The lines of all files in the order of their writing. Of a compressed file and its plain one, one counts.
fn lines(path: &Path) -> Vec<String> {
    let mut files: HashMap<i64, PathBuf> = HashMap::new();
    for file in rotated(path).unwrap() {
        match file.state {
            State::Unfinished => {}
            State::Compressed => drop(files.insert(file.at, file.path)),
            State::Plain => drop(files.entry(file.at).or_insert(file.path)),
        }
    }
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort();
    let paths = files.into_iter().map(|(_, path)| path).chain([path.to_owned()]);
    let texts: String = paths.filter(|path| path.exists()).map(|path| text(&path)).collect();
    assert!(texts.is_empty() || texts.ends_with('\n'), "the last line is torn");
    texts.lines().map(str::to_owned).collect()
}

fn text(path: &Path) -> String {
    let packed = fs::read(path).unwrap();
    let mut text = String::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => drop(flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap()),
        Some("zst") => drop(zstd::stream::read::Decoder::new(&packed[..]).unwrap().read_to_string(&mut text).unwrap()),
        _ => drop(File::open(path).unwrap().read_to_string(&mut text).unwrap()),
    }
    text
}

/// Every line is there, whole, in its order; copies are whole batches that went again, `most` at most.
fn assert_kept(path: &Path, most: usize, what: &str) -> usize {
    let lines = lines(path);
    let mut firsts: Vec<&String> = Vec::new();
    for line in &lines {
        if !firsts.contains(&line) {
            firsts.push(line);
        }
    }
    let expected: Vec<String> = (0..BATCHES * LINES).map(line).collect();
    assert_eq!(firsts, expected.iter().collect::<Vec<_>>(), "{what}");
    let copies = lines.len() - expected.len();
    assert!(copies <= most, "{what}: {copies} copies");
    copies
}

/// Scenario: the process is killed in each call in turn, in the middle of writes too, and started again.
/// Guarantee: nothing that was settled is lost, no line is torn, at most the batch in flight is there twice, and what
/// was to be compressed is.
#[test]
fn a_kill_at_any_call_loses_nothing() {
    for compress in [None, Some(Compression::Gzip), Some(Compression::Zstd)] {
        let mut calls = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("alerts");
            let killed = Arc::new(Failing::killed_at(calls));
            let left = write(&path, &settings(killed.clone(), compress), 0..BATCHES);
            let whole = settings(Arc::new(System), compress);
            assert!(write(&path, &whole, left).is_empty());
            tidy(&path, &whole).unwrap();
            assert_kept(&path, LINES, &format!("{compress:?}, killed at call {calls}"));
            let done = if compress.is_some() { State::Compressed } else { State::Plain };
            let found = rotated(&path).unwrap();
            assert!(found.iter().all(|file| file.state == done), "{found:?}");
            if !killed.struck() {
                break;
            }
            calls += 1;
        }
        println!("{compress:?}: killed at each of {calls} calls");
        assert!(calls > 25, "{calls}");
    }
}

/// Scenario: the disk is full at each call in turn, once and for some calls, and the same process goes on.
/// Guarantee: nothing is lost, no line is torn; lines whose taking back fails as well may be there twice.
#[test]
fn a_full_disk_at_any_call_loses_nothing() {
    for count in 1..=3 {
        let mut calls = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("alerts");
            let full = Arc::new(Failing::full_at(calls, count));
            let left = write(&path, &settings(full.clone(), Some(Compression::Zstd)), 0..BATCHES);
            assert!(left.is_empty(), "the disk has room again");
            tidy(&path, &settings(Arc::new(System), Some(Compression::Zstd))).unwrap();
            assert_kept(&path, LINES, &format!("full at call {calls} and {count} in all"));
            if !full.struck() {
                break;
            }
            calls += 1;
        }
        assert!(calls > 25, "{calls}");
    }
}
