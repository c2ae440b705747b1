//! How much the journal may take on disk, and the ballast that is thrown overboard when the disk is full.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::SystemTime;

use rusqlite::Connection;
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::folder::{Files, remove_if_there};
use super::trouble::Trouble;
use crate::Room;

/// The most that the ballast takes: more would not help a settle or a trim.
const BALLAST_LIMIT: u64 = 16 * 1024 * 1024;

/// The journal's room on disk.
///
/// The ballast is what a full disk leaves us: given up, it is room for the write-ahead log of settles and trims, and
/// for the database to take in what the log holds. So the log is never let grow past half of it. As long as the
/// ballast is not back, appends are refused.
pub(super) struct Space {
    files: Files,
    max: u64,
    ballast: u64,
    held: bool,
    full_since: Option<SystemTime>,
}

impl Space {
    /// Takes the ballast, where the disk has room for it.
    pub(super) fn claim(files: Files, max: u64) -> io::Result<Self> {
        let disk = statvfs(files.folder())?;
        // A share of the disk, not of what is free on it, so that every start comes to the same size.
        let share = (disk.f_blocks * disk.f_frsize / 4).min(max / 8).min(BALLAST_LIMIT);
        let ballast = share.next_multiple_of(4096);
        let held = fs::metadata(files.ballast()).is_ok_and(|metadata| metadata.len() == ballast);
        let mut space = Self { files, max, ballast, held, full_since: None };
        if !held {
            // One of another size is room, too.
            remove_if_there(&space.files.ballast())?;
            space.regain()?;
        } else if space.free()? < ballast / 4 {
            // Opening the database takes some room itself.
            space.give_up()?;
        }
        Ok(space)
    }

    /// Gives the ballast back to the disk.
    pub(super) fn give_up(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.held, false) {
            tracing::warn!(path = %self.files.folder().display(), "disk full, ballast given up");
        }
        remove_if_there(&self.files.ballast())
    }

    /// Takes the ballast again, where there is room for it and for the write-ahead log. Says whether it is held.
    pub(super) fn regain(&mut self) -> io::Result<bool> {
        if !self.held && self.free()? >= self.ballast + self.wal_limit() {
            remove_if_there(&self.files.ballast())?;
            match self.write_ballast() {
                Ok(()) => self.held = true,
                Err(error) if is_full(&error) => {
                    remove_if_there(&self.files.ballast())?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.held)
    }

    fn write_ballast(&self) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.files.ballast())?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.ballast) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => write_zeros(&mut file, self.ballast),
            other => Ok(other?),
        }
    }

    /// Bytes that the disk still has for us.
    fn free(&self) -> io::Result<u64> {
        let disk = statvfs(self.files.folder())?;
        Ok(disk.f_bavail * disk.f_frsize)
    }

    /// The disk was full, and the ballast is not back yet.
    pub(super) fn is_short(&self) -> bool {
        !self.held
    }

    /// How large the write-ahead log may grow before it is written back.
    pub(super) fn wal_limit(&self) -> u64 {
        self.ballast / 2
    }

    /// How much must be free inside the database before the ballast can come back out of it.
    pub(super) fn owed_to_disk(&self) -> u64 {
        self.ballast + 2 * self.wal_limit()
    }

    /// Bytes in the write-ahead log.
    pub(super) fn log_length(&self) -> u64 {
        self.files.wal_length()
    }

    fn held_ballast(&self) -> u64 {
        if self.held { self.ballast } else { 0 }
    }

    /// Whether `max_size` holds with `database` bytes in the database and `written` more in the log. The log counts
    /// with all that it may grow to, so that settles have room to the last.
    pub(super) fn allows(&self, database: u64, written: u64) -> bool {
        let log = self.wal_limit().max(self.log_length() + written);
        database + log + self.held_ballast() <= self.max
    }

    /// What is kept free once the journal was full, so that it is not full again at the next page.
    fn margin(&self) -> u64 {
        self.max / 16
    }

    /// Whether that margin is free with `in_use` bytes in use: freed pages inside the database are as good as free.
    pub(super) fn has_margin(&self, in_use: u64) -> bool {
        self.held && in_use + self.wal_limit() + self.held_ballast() + self.margin() <= self.max
    }

    pub(super) fn room(&self, in_use: u64) -> Room {
        let used = in_use + self.log_length() + self.held_ballast();
        Room { used, max: self.max, full_since: self.full_since }
    }

    /// Remembers since when appends are refused, or that they are not.
    pub(super) fn set_full(&mut self, full: bool, now: SystemTime) {
        self.full_since = if full { self.full_since.or(Some(now)) } else { None };
    }

    pub(super) fn is_full(&self) -> bool {
        self.full_since.is_some()
    }
}

/// A quota that is used up is a full disk.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn write_zeros(file: &mut File, length: u64) -> io::Result<()> {
    let zeros = [0; 64 * 1024];
    let mut left = length;
    while left > 0 {
        let piece = left.min(zeros.len() as u64);
        file.write_all(&zeros[..usize::try_from(piece).expect("a piece is at most 64 KiB")])?;
        left -= piece;
    }
    Ok(())
}

/// Bytes of the database, with pages that were freed inside it.
pub(super) fn bytes_in_all(db: &Connection) -> Result<u64, Trouble> {
    Ok(pragma(db, "PRAGMA page_count")? * page_size(db)?)
}

/// Bytes of the database that are in use: pages that were freed inside it are room.
pub(super) fn bytes_in_use(db: &Connection) -> Result<u64, Trouble> {
    let (all, free) = (bytes_in_all(db)?, bytes_free_inside(db)?);
    all.checked_sub(free).ok_or_else(|| Trouble::damaged("more pages are free than there are"))
}

/// Bytes of the database that were freed inside it.
pub(super) fn bytes_free_inside(db: &Connection) -> Result<u64, Trouble> {
    Ok(pragma(db, "PRAGMA freelist_count")? * page_size(db)?)
}

pub(super) fn page_size(db: &Connection) -> Result<u64, Trouble> {
    pragma(db, "PRAGMA page_size")
}

fn pragma(db: &Connection, sql: &str) -> Result<u64, Trouble> {
    let value: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    u64::try_from(value).map_err(|_| Trouble::damaged("a negative number of pages"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: a quota that is used up leaves us without a ballast, not without a journal.
    #[test]
    fn a_used_up_quota_is_a_full_disk() {
        let of = |errno: rustix::io::Errno| is_full(&io::Error::from(errno));
        assert!(of(rustix::io::Errno::DQUOT) && of(rustix::io::Errno::NOSPC));
        assert!(!of(rustix::io::Errno::IO));
    }
}
