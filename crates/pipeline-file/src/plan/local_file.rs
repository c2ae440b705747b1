//! Which files records go to, and how those are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Which files records go to, and how those are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// Which file a record goes to.
    pub paths: PathsPlan,
    /// The permission bits of new files, at most 0777; `None` for 0640 less the umask.
    pub mode: Option<u32>,
    /// The group of new files and folders, by name or number; `None` for that of the process.
    pub group: Option<String>,
    /// When a file is set aside; `None` for never.
    pub rotate: Option<RotatePlan>,
}

/// Which file a record goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathsPlan {
    /// One for all, absolute.
    One(PathBuf),
    /// One for each tenant, or for several together.
    ByTenant {
        /// The folder that all of them are in, absolute. It is there already.
        folder: PathBuf,
        /// For each tenant that the sink takes, by its name, the path below the folder. It does not lead out of it.
        files: BTreeMap<String, PathBuf>,
    },
}

/// When a file is set aside, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotatePlan {
    /// Before it grows past so many bytes.
    pub size: Option<u64>,
    /// At each whole multiple of this since 1970, in UTC.
    pub every: Option<Duration>,
    /// Which rotated files stay.
    pub keep: KeepPlan,
    /// How they are compressed; `None` for not at all.
    pub compress: Option<CompressionPlan>,
}

/// Which rotated files stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepPlan {
    /// All.
    All,
    /// The last so many, at least one.
    Files(u32),
    /// Those of so long a time.
    For(Duration),
}

/// How rotated files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionPlan {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl FilePlan {
    /// Every file that it writes, absolute.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match &self.paths {
            PathsPlan::One(path) => vec![path.clone()],
            PathsPlan::ByTenant { folder, files } => files.values().map(|file| folder.join(file)).collect(),
        }
    }
}
