//! The journal's folder: who has it, and which files are in it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::JournalError;

/// The folder, held by this process for as long as the value lives.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where there is none (0700) and takes it.
    pub(super) fn lock(path: &Path) -> Result<Self, JournalError> {
        let failed = |source: io::Error| JournalError::Io { doing: "open the journal's folder", source: source.into() };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(super) fn files(&self) -> Files {
        Files { folder: self.path.clone() }
    }
}

/// Where the journal's files are.
#[derive(Clone)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("journal.db")
    }

    pub(super) fn wal(&self) -> PathBuf {
        self.folder.join("journal.db-wal")
    }

    /// A database in the making: it takes its place by being renamed, complete or not at all.
    pub(super) fn draft(&self) -> PathBuf {
        self.folder.join("draft.db")
    }

    pub(super) fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    fn marker(&self) -> PathBuf {
        self.folder.join("damaged")
    }

    /// Bytes in the write-ahead log.
    pub(super) fn wal_length(&self) -> u64 {
        fs::metadata(self.wal()).map_or(0, |metadata| metadata.len())
    }

    /// Removes what an interrupted making left behind.
    pub(super) fn remove_draft(&self) -> io::Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.draft().into_os_string();
            name.push(suffix);
            remove_if_there(Path::new(&name))?;
        }
        Ok(())
    }

    /// Puts the draft in its place.
    pub(super) fn adopt_draft(&self) -> io::Result<()> {
        fs::rename(self.draft(), self.database())?;
        self.sync()
    }

    /// Makes renames and removals durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// The note that the journal is damaged, where there is one.
    pub(super) fn damage_note(&self) -> io::Result<Option<DamageNote>> {
        match fs::read(self.marker()) {
            Ok(bytes) => Ok(Some(DamageNote::parse(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes durably that the journal is damaged, so that the next opening sets it aside.
    pub(super) fn note_damage(&self, note: &DamageNote) -> io::Result<()> {
        let draft = self.folder.join("damaged.draft");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        file.write_all(note.text().as_bytes())?;
        file.sync_all()?;
        fs::rename(draft, self.marker())?;
        self.sync()
    }

    pub(super) fn forget_damage(&self) -> io::Result<()> {
        remove_if_there(&self.marker())?;
        self.sync()
    }

    /// Whether the damaged database is in `aside` and the new one in its place: only the note is left to be forgotten.
    pub(super) fn is_replaced(&self, aside: &str) -> bool {
        self.folder.join(aside).join("journal.db").exists() && self.database().exists() && !self.draft().exists()
    }

    /// Moves the database and its companions into `aside`. The database goes first: where it is gone, what is left of
    /// the others belongs to it.
    pub(super) fn move_aside(&self, aside: &str) -> io::Result<()> {
        let target = self.folder.join(aside);
        DirBuilder::new().recursive(true).mode(0o700).create(&target)?;
        fs::set_permissions(&target, Permissions::from_mode(0o700))?;
        for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
            match fs::rename(self.folder.join(name), target.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        File::open(&target)?.sync_all()?;
        self.sync()
    }
}

/// What was found, and the folder that the journal is set aside in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DamageNote {
    pub(super) what: String,
    /// Chosen when the setting aside begins, and kept over a crash in the middle of it.
    pub(super) aside: Option<String>,
}

impl DamageNote {
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let what = lines.next().unwrap_or_default().to_owned();
        // A name that leads elsewhere was not written by us.
        let aside = lines.next().filter(|name| name.starts_with("journal.damaged-") && !name.contains('/'));
        Self { what, aside: aside.map(str::to_owned) }
    }

    fn text(&self) -> String {
        format!("{}\n{}\n", self.what.replace('\n', " "), self.aside.as_deref().unwrap_or_default())
    }
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee: the folder and the files in it are its owner's alone, whatever the umask.
    #[test]
    fn a_new_folder_is_its_owners_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("journal");
        let _folder = Folder::lock(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path.join("lock")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    /// Guarantee: one holder at a time, in this process too.
    #[test]
    fn a_folder_has_one_holder() {
        let parent = tempfile::tempdir().unwrap();
        let first = Folder::lock(parent.path()).unwrap();
        assert!(matches!(Folder::lock(parent.path()), Err(JournalError::InUse { .. })));
        drop(first);
        Folder::lock(parent.path()).unwrap();
    }

    /// Guarantee: a note of damage comes back as it was, and cannot lead out of the folder.
    #[test]
    fn a_note_of_damage_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let files = Folder::lock(parent.path()).unwrap().files();
        assert_eq!(files.damage_note().unwrap(), None);
        let note = DamageNote { what: "a chunk".into(), aside: Some("journal.damaged-x".into()) };
        files.note_damage(&note).unwrap();
        assert_eq!(files.damage_note().unwrap(), Some(note));
        assert_eq!(DamageNote::parse("x\njournal.damaged-/../../etc\n").aside, None);
    }
}
