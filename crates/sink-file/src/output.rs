//! Where lines go: standard output, or a file that is never left with a torn line.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fault::Fault;

use crate::classify::classify;

/// Where lines go.
pub(crate) enum Output {
    /// A regular file: it can be synced and cut.
    Regular { path: PathBuf, file: File },
    /// Standard output, a pipe, a device.
    Stream { path: PathBuf, stream: Option<File>, torn: bool },
}

impl Output {
    pub(crate) fn standard_output() -> Result<Self, Fault> {
        let path = PathBuf::from("standard output");
        // A handle of its own, past the buffer of the standard library: what is written is written.
        let stream = io::stdout().as_fd().try_clone_to_owned().map_err(|error| classify("open", &path, error))?;
        Ok(Self::Stream { path, stream: Some(stream.into()), torn: false })
    }

    pub(crate) fn file(path: PathBuf) -> Result<Self, Fault> {
        let kind = path.metadata().map(|metadata| metadata.file_type());
        if kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device()) {
            // Opened by the first write: a pipe that nobody reads yet would hold up the start of everything else.
            return Ok(Self::Stream { path, stream: None, torn: false });
        }
        let file = open(&path).map_err(|error| classify("open", &path, error))?;
        Ok(Self::Regular { path, file })
    }

    pub(crate) fn is_regular(&self) -> bool {
        matches!(self, Self::Regular { .. })
    }

    /// Writes lines, and syncs them where that can be done. Where it fails, a regular file is as it was before; a
    /// stream may have taken a part, whose torn line is ended before the next one.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Regular { path, file } => {
                reopen_where_moved(path, file).map_err(|error| classify("open", path, error))?;
                append(path, file, lines).map_err(|error| classify("write to", path, error))
            }
            Self::Stream { path, stream, torn } => {
                write_to_stream(path, stream, torn, lines).map_err(|error| classify("write to", path, error))
            }
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
    if is_new {
        // The name is on disk before anything that stands under it is called durable.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    cut_torn_line(&mut file)?;
    Ok(file)
}

fn write_to_stream(path: &Path, stream: &mut Option<File>, torn: &mut bool, lines: &[u8]) -> io::Result<()> {
    let stream = match stream {
        Some(stream) => stream,
        None => stream.insert(OpenOptions::new().write(true).open(path)?),
    };
    if *torn {
        stream.write_all(b"\n")?;
        *torn = false;
    }
    let mut rest = lines;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let written = &lines[..lines.len() - rest.len()];
                *torn = written.last().is_some_and(|last| *last != b'\n');
                return Err(error);
            }
        }
    }
    Ok(())
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
        *file = open(path)?;
    }
    Ok(())
}

/// Writes all lines and syncs them, or takes back what was written of them.
fn append(path: &Path, file: &mut File, lines: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() && file.set_len(before).is_err() {
        // Opening it anew cuts off what is torn, or says why not; until then nothing is appended to it.
        *file = open(path)?;
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

    /// Scenario: a disk is full after half a line. Guarantee: the next line does not continue the torn one.
    #[test]
    fn a_torn_line_of_a_stream_is_ended_before_the_next() {
        let (_folder, path) = written(b"hal");
        let stream = OpenOptions::new().append(true).open(&path).unwrap();
        let mut output = Output::Stream { path: path.clone(), stream: Some(stream), torn: true };
        output.write(b"whole\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hal\nwhole\n");
    }

    /// Guarantee: a pipe that nobody reads yet does not hold up whoever opens the sink.
    #[test]
    fn a_pipe_without_a_reader_is_opened_by_the_first_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut output = Output::file(path.clone()).unwrap();
        let reader = std::thread::spawn(move || std::fs::read_to_string(path).unwrap());
        output.write(b"one\n").unwrap();
        drop(output);
        assert_eq!(reader.join().unwrap(), "one\n");
    }
}
