//! The calls to the operating system that change files, one by one: after each of them the process may be killed, and
//! each may find the disk full. Tests fail them in turn.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// What changes files.
pub(crate) trait Disk: Send + Sync {
    /// Opens a file, which may make it.
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File>;

    /// Writes all of it; where it fails, a part may be written.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the content of a file, or the names in a folder, are on disk.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Cuts a file to a length.
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;

    /// Gives a file another name, in place of the one that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The operating system.
pub(crate) struct System;

impl Disk for System {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        options.open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Puts the names in a file's folder on disk.
pub(crate) fn sync_folder_of(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.sync(&File::open(folder_of(path))?)
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A disk whose calls fail in turn, for tests.
#[cfg(test)]
pub(crate) mod failing {
    use std::sync::Mutex;

    use super::*;

    /// Fails the call of a number, counted from 0, and all that follow for so many calls.
    pub(crate) struct Failing {
        first: usize,
        count: usize,
        calls: Mutex<usize>,
    }

    impl Failing {
        /// The process is killed in this call: none of those that follow happens.
        pub(crate) fn killed_at(call: usize) -> Self {
            Self { first: call, count: usize::MAX, calls: Mutex::default() }
        }

        /// The disk is full in this many calls, and has room again.
        pub(crate) fn full_at(call: usize, count: usize) -> Self {
            Self { first: call, count, calls: Mutex::default() }
        }

        /// Whether the call was reached.
        pub(crate) fn struck(&self) -> bool {
            *self.calls.lock().unwrap() > self.first
        }

        fn step(&self) -> io::Result<()> {
            let mut calls = self.calls.lock().unwrap();
            let call = *calls;
            *calls += 1;
            let fails = call >= self.first && call - self.first < self.count;
            if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
    }

    impl Disk for Failing {
        fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
            self.step()?;
            System.open(path, options)
        }

        /// A write that fails has written a half.
        fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
            let step = self.step();
            let written = if step.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
            System.write(file, written)?;
            step
        }

        fn sync(&self, file: &File) -> io::Result<()> {
            self.step()?;
            System.sync(file)
        }

        fn cut(&self, file: &File, length: u64) -> io::Result<()> {
            self.step()?;
            System.cut(file, length)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?;
            System.rename(from, to)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step()?;
            System.remove(path)
        }
    }
}
