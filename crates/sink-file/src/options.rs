//! What a file sink is asked to do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

/// Which files are written, and how they are kept.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Which file a record goes to.
    pub paths: Paths,
    /// The permission bits of new files, whatever the umask; `None` for 0640 less the umask.
    pub mode: Option<u32>,
    /// The group of new files and folders, by name or number; `None` for that of the process.
    pub group: Option<String>,
    /// When a file is set aside and a new one begun; `None` for never.
    pub rotate: Option<Rotate>,
}

/// Which file a record goes to.
#[derive(Clone, Debug)]
pub enum Paths {
    /// One file for all, in a folder that exists.
    One(PathBuf),
    /// A file for each tenant, or for several tenants together.
    ByTenant {
        /// The folder that all of them are in. It must exist; folders inside it are made where they are missing.
        folder: PathBuf,
        /// For each tenant, by its name, the path below the folder.
        files: HashMap<String, PathBuf>,
    },
}

/// When a file is set aside, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotate {
    /// Before it grows past so many bytes. Only a batch that is larger by itself makes a larger file.
    pub size: Option<u64>,
    /// At each whole multiple of this since 1970, in UTC: 24 hours rotate at midnight. The first batch that follows
    /// does it.
    pub every: Option<Duration>,
    /// Which rotated files stay.
    pub keep: Keep,
    /// How a rotated file is compressed; `None` leaves it as it is.
    pub compress: Option<Compression>,
}

/// Which rotated files stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All.
    All,
    /// The last so many.
    Files(u32),
    /// Those that were rotated at most so long ago.
    For(Duration),
}

/// How a rotated file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952), `.gz`.
    Gzip,
    /// Zstandard (RFC 8878), `.zst`.
    Zstd,
}

impl Compression {
    /// What the name of a compressed file ends with.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
        }
    }
}
