//! Standard output, a pipe, a device: what can be neither synced nor cut.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use fault::Fault;

use crate::classify::classify;

/// Where lines flow away.
pub(crate) struct Stream {
    path: PathBuf,
    /// Opened by the first write: a pipe that nobody reads yet would hold up the start of everything else.
    stream: Option<File>,
    /// A write has ended within a line.
    torn: bool,
}

impl Stream {
    pub(crate) fn standard_output() -> Result<Self, Fault> {
        let path = PathBuf::from("standard output");
        // A handle of its own, past the buffer of the standard library: what is written is written.
        let stream = io::stdout().as_fd().try_clone_to_owned().map_err(|error| classify("open", &path, error))?;
        Ok(Self { path, stream: Some(stream.into()), torn: false })
    }

    /// The pipe or device that a path leads to; `None` where it leads to something else, or nowhere yet.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let kind = path.metadata().ok()?.file_type();
        let streams = kind.is_fifo() || kind.is_char_device();
        streams.then(|| Self { path: path.to_owned(), stream: None, torn: false })
    }

    /// Writes lines. Where it fails a part may have gone; a torn line is ended before the next.
    pub(crate) fn write(&mut self, lines: &[u8]) -> Result<(), Fault> {
        self.try_write(lines).map_err(|error| classify("write to", &self.path, error))
    }

    fn try_write(&mut self, lines: &[u8]) -> io::Result<()> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(OpenOptions::new().write(true).open(&self.path)?),
        };
        if self.torn {
            stream.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let written = &lines[..lines.len() - rest.len()];
                    self.torn = written.last().is_some_and(|last| *last != b'\n');
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: a device takes lines though it can be neither synced nor cut.
    #[test]
    fn a_device_takes_lines() {
        Stream::at(Path::new("/dev/null")).unwrap().write(b"into the void\n").unwrap();
    }

    /// Guarantee: a regular file, and one that is not there yet, is no stream.
    #[test]
    fn a_file_is_no_stream() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Stream::at(folder.path()).is_none());
        assert!(Stream::at(&folder.path().join("missing")).is_none());
    }

    /// Scenario: a disk is full after half a line. Guarantee: the next line does not continue the torn one.
    #[test]
    fn a_torn_line_of_a_stream_is_ended_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts.cef");
        std::fs::write(&path, "hal").unwrap();
        let stream = OpenOptions::new().append(true).open(&path).unwrap();
        let mut stream = Stream { path: path.clone(), stream: Some(stream), torn: true };
        stream.write(b"whole\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hal\nwhole\n");
    }

    /// Guarantee: a pipe that nobody reads yet does not hold up whoever opens the sink.
    #[test]
    fn a_pipe_without_a_reader_is_opened_by_the_first_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut stream = Stream::at(&path).unwrap();
        let reader = std::thread::spawn(move || std::fs::read_to_string(path).unwrap());
        stream.write(b"one\n").unwrap();
        drop(stream);
        assert_eq!(reader.join().unwrap(), "one\n");
    }
}
