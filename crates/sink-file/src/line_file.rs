//! One file of lines: never left with a torn line, begun anew where it was moved away, and rotated.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fault::Fault;

use crate::classify::classify;
use crate::disk::{Disk, sync_folder_of};
use crate::rotated::next_name;
use crate::settings::Settings;

/// One file of lines.
pub(crate) struct LineFile {
    path: PathBuf,
    settings: Arc<Settings>,
    /// `None` where it has to be opened anew before anything is appended: it was rotated, or may end in a torn line.
    open: Option<Open>,
}

struct Open {
    file: File,
    length: u64,
    /// When its first line was written, as far as that is known.
    begun: SystemTime,
}

impl LineFile {
    /// A file that is opened by the first write.
    pub(crate) fn new(path: PathBuf, settings: Arc<Settings>) -> Self {
        Self { path, settings, open: None }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it, making it where it is missing.
    pub(crate) fn open(&mut self) -> Result<(), Fault> {
        let mut file = self.settings.open(&self.path)?;
        let failed = |error| classify("open", &self.path, error);
        let disk = &*self.settings.disk;
        let length = cut_torn_line(disk, &mut file).map_err(failed)?;
        if length == 0 {
            // A new name is on disk before anything that stands under it is called durable.
            sync_folder_of(disk, &self.path).map_err(failed)?;
        }
        let begun = begun(&file.metadata().map_err(failed)?, (self.settings.now)());
        self.open = Some(Open { file, length, begun });
        Ok(())
    }

    /// Writes lines and syncs them, into a new file where it is time for one. Says whether the file was rotated. Where
    /// it fails, the lines are taken back before anything else is written.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<bool, Fault> {
        self.let_go_where_moved().map_err(|error| classify("open", &self.path, error))?;
        if self.open.is_none() {
            self.open()?;
        }
        let rotates = !lines.is_empty() && self.is_due(lines.len());
        if rotates {
            self.rotate().map_err(|error| classify("rotate", &self.path, error))?;
            self.open()?;
        }
        self.append(lines).map_err(|error| classify("write to", &self.path, error))?;
        Ok(rotates)
    }

    /// A file that someone else has moved away is left to them.
    fn let_go_where_moved(&mut self) -> io::Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let same = |there: Metadata, here: Metadata| there.dev() == here.dev() && there.ino() == here.ino();
        let still_there = match self.path.metadata() {
            Ok(there) => same(there, open.file.metadata()?),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if !still_there {
            self.open = None;
        }
        Ok(())
    }

    /// Whether more lines belong into a new file.
    fn is_due(&self, more: usize) -> bool {
        let (Some(open), Some(rotate)) = (&self.open, self.settings.rotate) else { return false };
        let too_large = rotate.size.is_some_and(|size| open.length.saturating_add(more as u64) > size);
        let too_old = self.settings.span_of((self.settings.now)()) > self.settings.span_of(open.begun);
        open.length > 0 && (too_large || too_old)
    }

    /// Gives the file its other name. All its lines are whole and on disk, so a kill before or after it leaves nothing
    /// to be undone. That the name is on disk as well is seen to when the new file is made.
    fn rotate(&mut self) -> io::Result<()> {
        let name = next_name(&self.path, (self.settings.now)())?;
        self.settings.disk.rename(&self.path, &name)?;
        self.open = None;
        Ok(())
    }

    /// Appends and syncs, or takes back what was written.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let disk = &*self.settings.disk;
        if open.length == 0 {
            open.begun = (self.settings.now)();
        }
        let written = disk.write(&mut open.file, lines).and_then(|()| disk.sync(&open.file));
        match &written {
            Ok(()) => open.length += lines.len() as u64,
            // Opening it anew cuts off what is torn, or says why not; until then nothing is appended.
            Err(_) if disk.cut(&open.file, open.length).is_err() => self.open = None,
            Err(_) => {}
        }
        written
    }
}

/// When a file was begun that an earlier process has left. Not every file system knows it.
fn begun(metadata: &Metadata, now: SystemTime) -> SystemTime {
    metadata.created().or_else(|_| metadata.modified()).unwrap_or(now)
}

/// Cuts off what a crash left of an unfinished line: it was never settled, so it is sent again. Returns the length.
fn cut_torn_line(disk: &dyn Disk, file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let size = end;
    let mut block = vec![0; BLOCK];
    while end > 0 {
        let start = end.saturating_sub(BLOCK as u64);
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(last_break) = part.iter().rposition(|byte| *byte == b'\n') {
            end = start + last_break as u64 + 1;
            break;
        }
        end = start;
    }
    if end < size {
        disk.cut(file, end)?;
    }
    Ok(end)
}

const BLOCK: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::disk::System;
    use crate::options::{Keep, Rotate};
    use crate::rotated::rotated;

    fn at_noon() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 + 43_200)
    }

    fn next_day() -> SystemTime {
        at_noon() + Duration::from_secs(43_200)
    }

    fn settings(rotate: Option<Rotate>) -> Settings {
        Settings { folder: None, mode: None, group: None, rotate, disk: Arc::new(System), now: at_noon }
    }

    fn file(path: &Path, settings: Settings) -> LineFile {
        let mut file = LineFile::new(path.to_owned(), Arc::new(settings));
        file.open().unwrap();
        file
    }

    fn written(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.cef");
        fs::write(&path, content).unwrap();
        (folder, path)
    }

    fn contents(path: &Path) -> Vec<String> {
        let rotated = rotated(path).unwrap().into_iter().map(|rotated| rotated.path);
        rotated.chain([path.to_owned()]).map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    /// Scenario: a crash left half a line. Guarantee: whole lines stay, the half is gone, new lines stand alone.
    #[test]
    fn a_torn_line_is_cut_off_when_the_file_is_opened() {
        for (left, stays) in [("one\ntwo\nthr", "one\ntwo\n"), ("half", ""), ("whole\n", "whole\n"), ("", "")] {
            let (_folder, path) = written(left.as_bytes());
            file(&path, settings(None)).write(b"new\n").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{stays}new\n"));
        }
    }

    /// Scenario: the torn line is longer than the block that is searched at a time.
    #[test]
    fn a_torn_line_of_any_length_is_cut_off() {
        let long = "x".repeat(3 * BLOCK + 17);
        let (_folder, path) = written(format!("kept\n{long}").as_bytes());
        file(&path, settings(None));
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n");
    }

    /// Scenario: the file is moved away between two batches. Guarantee: the second goes into a new file.
    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let (folder, path) = written(b"");
        let mut file = file(&path, settings(None));
        file.write(b"old\n").unwrap();
        fs::rename(&path, folder.path().join("alerts.1")).unwrap();
        file.write(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(folder.path().join("alerts.1")).unwrap(), "old\n");
    }

    /// Guarantee: a file does not grow past its size, but for lines that are larger by themselves; an empty one is not
    /// rotated.
    #[test]
    fn a_file_is_rotated_before_it_grows_past_its_size() {
        let (_folder, path) = written(b"");
        let rotate = Rotate { size: Some(12), every: None, keep: Keep::All, compress: None };
        let mut file = file(&path, settings(Some(rotate)));
        let rotations = ["12345678901234567\n", "one\n", "two\n", "end\n", "six\n", ""];
        let rotations = rotations.map(|lines| file.write(lines.as_bytes()).unwrap());
        assert_eq!(rotations, [false, true, false, false, true, false]);
        assert_eq!(contents(&path), ["12345678901234567\n", "one\ntwo\nend\n", "six\n"]);
    }

    /// Guarantee: a file is rotated at whole multiples of its span, by the first lines behind one.
    #[test]
    fn a_file_is_rotated_at_its_time() {
        let (_folder, path) = written(b"");
        let every = Some(Duration::from_secs(86_400));
        let rotate = Rotate { size: None, every, keep: Keep::All, compress: None };
        let mut file = file(&path, settings(Some(rotate)));
        file.write(b"noon\n").unwrap();
        file.write(b"later\n").unwrap();
        file.settings = Arc::new(Settings { now: next_day, ..settings(Some(rotate)) });
        assert!(!file.write(b"").unwrap(), "nothing was to be written");
        assert!(file.write(b"midnight\n").unwrap());
        assert!(!file.write(b"after\n").unwrap());
        assert_eq!(contents(&path), ["noon\nlater\n", "midnight\nafter\n"]);
    }
}
