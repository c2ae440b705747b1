//! What SQLite and the operating system report, in the journal's own words.

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::JournalError;

/// Why a piece of work on the database did not come about.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The journal cannot go on: it is damaged, or the disk failed it.
    Broken(JournalError),
    /// The disk is full.
    DiskFull,
    /// This one request cannot be met; others can.
    Refused(JournalError),
    /// There is no room for this one request.
    NoRoom,
}

impl Trouble {
    /// Something that the journal wrote is not what it wrote.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Broken(JournalError::Damaged { what: what.into() })
    }

    /// The operating system failed while `doing` something.
    pub(super) fn io(doing: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Broken(JournalError::Io { doing, source: source.into() })
    }

    /// The caller named a thing that is not there.
    pub(super) fn unknown(doing: &'static str, what: String) -> Self {
        Self::Refused(JournalError::Io { doing, source: what.into() })
    }

    /// The error where there is nobody left who could make room.
    pub(super) fn into_error(self, doing: &'static str) -> JournalError {
        match self {
            Self::Broken(error) | Self::Refused(error) => error,
            Self::DiskFull | Self::NoRoom => JournalError::Io { doing, source: "no space left on the disk".into() },
        }
    }
}

/// SQLite's codes by what they ask of us. What is neither the disk's nor the system's fault can only come from bytes
/// that changed: our statements are constants, so that a missing table, a broken constraint or a value of another type
/// was not written by us.
impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(cause, _) = &error else {
            return Self::damaged(format!("a row cannot be read: {error}"));
        };
        match (cause.code, cause.extended_code) {
            // The shared-memory index of the write-ahead log could not be extended.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::DiskFull,
            // SQLite reports a bad sector (EIO, ENXIO) as the second of these or as a corrupt page, and only other
            // failures to read, which may pass, as SQLITE_IOERR_READ.
            (_, ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS) => {
                Self::damaged(format!("SQLite reports: {error}"))
            }
            (
                ErrorCode::CannotOpen
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::OperationInterrupted
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure,
                _,
            ) => Self::io("use the journal's database", error),
            _ => Self::damaged(format!("SQLite reports: {error}")),
        }
    }
}

/// The same error for each of several who wait for it.
pub(super) fn again(error: &JournalError) -> JournalError {
    match error {
        JournalError::Closed => JournalError::Closed,
        JournalError::Damaged { what } => JournalError::Damaged { what: what.clone() },
        JournalError::EntryTooLarge { index, size, limit } => {
            JournalError::EntryTooLarge { index: *index, size: *size, limit: *limit }
        }
        JournalError::Full(room) => JournalError::Full(*room),
        JournalError::InUse { path } => JournalError::InUse { path: path.clone() },
        JournalError::Io { doing, source } => JournalError::Io { doing, source: source.to_string().into() },
        JournalError::LeftWaiting { lanes } => JournalError::LeftWaiting { lanes: lanes.clone() },
        JournalError::NewerFormat { found, known } => JournalError::NewerFormat { found: *found, known: *known },
        JournalError::NoFormerLane { name, renamed_from } => {
            JournalError::NoFormerLane { name: name.clone(), renamed_from: renamed_from.clone() }
        }
        JournalError::NotOwner(queue) => JournalError::NotOwner(*queue),
        JournalError::OldFormat { found } => JournalError::OldFormat { found: *found },
        JournalError::Unavailable { doing, retry_after } => {
            JournalError::Unavailable { doing, retry_after: *retry_after }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_code(extended: i32) -> Trouble {
        rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None).into()
    }

    /// Guarantee: a full disk is told from a broken one, and a broken one from changed bytes.
    #[test]
    fn each_code_of_sqlite_asks_for_one_thing() {
        assert!(matches!(from_code(ffi::SQLITE_FULL), Trouble::DiskFull));
        assert!(matches!(from_code(ffi::SQLITE_IOERR_SHMSIZE), Trouble::DiskFull));
        for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_CANTOPEN, ffi::SQLITE_READONLY] {
            assert!(matches!(from_code(code), Trouble::Broken(JournalError::Io { .. })), "{code}");
        }
        assert!(matches!(from_code(ffi::SQLITE_IOERR_READ), Trouble::Broken(JournalError::Io { .. })));
        for code in [ffi::SQLITE_IOERR_CORRUPTFS, ffi::SQLITE_IOERR_SHORT_READ] {
            assert!(matches!(from_code(code), Trouble::Broken(JournalError::Damaged { .. })), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_ERROR, ffi::SQLITE_CONSTRAINT] {
            assert!(matches!(from_code(code), Trouble::Broken(JournalError::Damaged { .. })), "{code}");
        }
    }
}
