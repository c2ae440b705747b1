//! Where lines go: standard output, or a file that is never left with a torn line.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fault::Fault;

use crate::classify::classify;

/// Where lines go.
pub(crate) enum Output {
    /// A file, and whether it is one that can be synced and cut.
    File { path: PathBuf, file: File, regular: bool },
    /// Standard output.
    StandardOutput,
}

impl Output {
    pub(crate) fn standard_output() -> Self {
        Self::StandardOutput
    }

    pub(crate) fn file(path: PathBuf) -> Result<Self, Fault> {
        let (file, regular) = open(&path).map_err(|error| classify("open", &path, error))?;
        Ok(Self::File { path, file, regular })
    }

    pub(crate) fn is_regular(&self) -> bool {
        matches!(self, Self::File { regular: true, .. })
    }

    /// Writes lines, all or none, and syncs them where the destination can be synced.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<(), Fault> {
        match self {
            Self::File { path, file, regular: true } => {
                reopen_where_moved(path, file).map_err(|error| classify("open", path, error))?;
                append(file, lines).map_err(|error| classify("write to", path, error))
            }
            Self::File { path, file, regular: false } => {
                file.write_all(lines).map_err(|error| classify("write to", path, error))
            }
            Self::StandardOutput => {
                let mut output = io::stdout().lock();
                output
                    .write_all(lines)
                    .and_then(|()| output.flush())
                    .map_err(|error| classify("write to", Path::new("standard output"), error))
            }
        }
    }
}

fn open(path: &Path) -> io::Result<(File, bool)> {
    let kind = path.metadata().map(|metadata| metadata.file_type());
    if kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device() || kind.is_socket()) {
        return Ok((OpenOptions::new().write(true).open(path)?, false));
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
    cut_torn_line(&mut file)?;
    Ok((file, true))
}

/// A file that was rotated away by someone else is left to them, and a new one is begun.
fn reopen_where_moved(path: &Path, file: &mut File) -> io::Result<()> {
    let same = |there: Metadata, here: Metadata| there.dev() == here.dev() && there.ino() == here.ino();
    let still_there = match path.metadata() {
        Ok(there) => same(there, file.metadata()?),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };
    if !still_there {
        *file = open(path)?.0;
    }
    Ok(())
}

/// Writes all lines and syncs them, or takes back what was written of them.
fn append(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        file.set_len(before)?;
    }
    written
}

/// Cuts off what a crash left of an unfinished line: it was never settled, so it is sent again.
fn cut_torn_line(file: &mut File) -> io::Result<()> {
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
        file.set_len(end)?;
    }
    Ok(())
}

const MODE: u32 = 0o640;
const BLOCK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.cef");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    /// Scenario: a crash left half a line. Guarantee: whole lines stay, the half is gone, new lines stand alone.
    #[test]
    fn a_torn_line_is_cut_off_when_the_file_is_opened() {
        for (left, stays) in [("one\ntwo\nthr", "one\ntwo\n"), ("half", ""), ("whole\n", "whole\n"), ("", "")] {
            let (_folder, path) = written(left.as_bytes());
            Output::file(path.clone()).unwrap().write(b"new\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{stays}new\n"));
        }
    }

    /// Scenario: the torn line is longer than the block that is searched at a time.
    #[test]
    fn a_torn_line_of_any_length_is_cut_off() {
        let long = "x".repeat(3 * BLOCK + 17);
        let (_folder, path) = written(format!("kept\n{long}").as_bytes());
        Output::file(path.clone()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept\n");
    }

    /// Scenario: the file is rotated away between two batches. Guarantee: the second goes into a new file.
    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let (folder, path) = written(b"");
        let mut output = Output::file(path.clone()).unwrap();
        output.write(b"old\n").unwrap();
        std::fs::rename(&path, folder.path().join("alerts.1")).unwrap();
        output.write(b"new\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(std::fs::read_to_string(folder.path().join("alerts.1")).unwrap(), "old\n");
    }

    /// Guarantee: a device takes lines though it can be neither synced nor cut.
    #[test]
    fn a_device_takes_lines() {
        let mut output = Output::file(PathBuf::from("/dev/null")).unwrap();
        output.write(b"into the void\n").unwrap();
        assert!(!output.is_regular());
    }
}
