//! What holds for every file of a sink: how it is made, and when it is rotated.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fault::Fault;
use nix::unistd::Group;

use crate::classify::classify;
use crate::disk::{Disk, System, folder_of, sync_folder_of};
use crate::options::{FileOptions, Paths, Rotate};

/// What holds for every file of a sink.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The folder below which folders are made where they are missing; `None` where none are.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) mode: Option<u32>,
    pub(crate) group: Option<GroupId>,
    pub(crate) rotate: Option<Rotate>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) now: fn() -> SystemTime,
}

/// A group, as it is written and by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupId {
    name: String,
    id: u32,
}

impl Settings {
    pub(crate) fn new(options: &FileOptions) -> Result<Self, Fault> {
        let folder = match &options.paths {
            Paths::One(_) => None,
            Paths::ByTenant { folder, .. } => Some(folder.clone()),
        };
        let group = options.group.as_deref().map(GroupId::find).transpose()?;
        let disk = Arc::new(System);
        Ok(Self { folder, mode: options.mode, group, rotate: options.rotate, disk, now: SystemTime::now })
    }

    /// Opens a file to append to it, or makes it.
    pub(crate) fn open(&self, path: &Path) -> Result<File, Fault> {
        let failed = |error| classify("open", path, error);
        self.make_folders(path)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        match self.disk.open(path, &options) {
            Ok(file) => return Ok(file),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        options.create_new(true).mode(self.mode.unwrap_or(MODE));
        let file = self.disk.open(path, &options).map_err(failed)?;
        self.dress(&file, path, self.mode)?;
        Ok(file)
    }

    /// Makes the folders of a file below the one that must be there. That one is not made: where it is missing, what
    /// should be mounted there may be missing too.
    fn make_folders(&self, path: &Path) -> Result<(), Fault> {
        let Some(base) = &self.folder else { return Ok(()) };
        fs::read_dir(base).map_err(|error| classify("open", base, error))?;
        let Ok(below) = folder_of(path).strip_prefix(base) else { return Ok(()) };
        let mut folder = base.clone();
        for name in below {
            folder.push(name);
            let failed = |error| classify("make the folder", &folder, error);
            let mode = self.mode.map(|mode| mode | OWNER | (mode & READ) >> READ_TO_SEARCH);
            match DirBuilder::new().mode(mode.unwrap_or(FOLDER_MODE)).create(&folder) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made.map_err(failed)?,
            }
            self.dress(&File::open(&folder).map_err(failed)?, &folder, mode)?;
            sync_folder_of(&*self.disk, &folder).map_err(failed)?;
        }
        Ok(())
    }

    /// Gives a file or folder that was made just now its mode and group.
    fn dress(&self, file: &File, path: &Path, mode: Option<u32>) -> Result<(), Fault> {
        if let Some(group) = &self.group {
            fchown(file, None, Some(group.id)).map_err(|error| group.refused(path, error))?;
        }
        // After the group: changing that one takes some of the bits away.
        if let Some(mode) = mode {
            let failed = |error| classify("set the mode of", path, error);
            file.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(())
    }

    /// The number of the span of `every` that a time is in.
    pub(crate) fn span_of(&self, time: SystemTime) -> Option<u128> {
        let every = self.rotate?.every?.max(Duration::from_millis(1));
        Some(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() / every.as_millis())
    }
}

impl GroupId {
    /// Looks a group up, by its name or its number.
    fn find(name: &str) -> Result<Self, Fault> {
        let found = match name.parse() {
            Ok(id) => Some(id),
            Err(_) => Group::from_name(name)
                .map_err(|error| Fault::retry(format!("failed to look up the group {name}")).caused_by(error))?
                .map(|group| group.gid.as_raw()),
        };
        let unknown = || {
            Fault::halt(format!("failed to find the group {name}"))
                .advise("Make the group, or name another in `group`.")
        };
        found.map(|id| Self { name: name.to_owned(), id }).ok_or_else(unknown)
    }

    fn refused(&self, path: &Path, error: io::Error) -> Fault {
        Fault::halt(format!("failed to give {} to the group {}", path.display(), self.name))
            .advise("Let the user that runs this program be a member of the group, or leave `group` out.")
            .caused_by(error)
    }
}

/// Of files, less the umask.
const MODE: u32 = 0o640;
/// Of folders, less the umask.
const FOLDER_MODE: u32 = 0o750;
/// We find our own files, and who may read one may look into the folder that it is in.
const OWNER: u32 = 0o700;
const READ: u32 = 0o444;
const READ_TO_SEARCH: u32 = 2;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn settings(folder: &Path) -> Settings {
        Settings {
            folder: Some(folder.to_owned()),
            mode: Some(0o604),
            group: None,
            rotate: None,
            disk: Arc::new(System),
            now: SystemTime::now,
        }
    }

    /// Guarantee: new files have the mode that was asked for, whatever the umask, and who may read them finds them;
    /// what was there before keeps its own.
    #[test]
    fn new_files_and_folders_have_their_mode() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let path = folder.path().join("contoso/2026/alerts.cef");
        let before = mode(folder.path());
        settings(folder.path()).open(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o604, 0o705));
        assert_eq!(mode(folder.path()), before);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        settings(folder.path()).open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    /// Guarantee: a group is found by its name and by its number, and one that is not there is said.
    #[test]
    fn groups_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().metadata().unwrap().gid();
        assert_eq!(GroupId::find(&own.to_string()).unwrap().id, own);
        assert_eq!(GroupId::find("root").unwrap().id, 0);
        let fault = GroupId::find("no-such-group-here").unwrap_err();
        assert_eq!(fault.to_string(), "failed to find the group no-such-group-here");
        let group = Some(GroupId { name: "ours".to_owned(), id: own });
        let path = folder.path().join("alerts");
        Settings { group, ..settings(folder.path()) }.open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().gid(), own);
    }

    /// Guarantee: the folder that must be there is not made: something may be missing that belongs there.
    #[test]
    fn the_outer_folder_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("mount");
        let fault = settings(&base).open(&base.join("contoso/alerts")).unwrap_err();
        assert_eq!(fault.verdict(), fault::Verdict::Halt);
        assert!(!base.exists());
    }
}
