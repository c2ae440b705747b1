//! Where the control socket is, and how it gets there.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Makes the socket in a folder, in the place of one that a dead process has left. The caller makes sure that no other
/// process serves one there.
///
/// The socket is made in a folder that nobody else can enter, and takes its place when its mode is right: at no moment can
/// another user reach it.
pub(super) fn bind(folder: &Path) -> io::Result<UnixListener> {
    let making = folder.join(MAKING);
    remove_folder_if_there(&making)?;
    DirBuilder::new().mode(0o700).create(&making)?;
    let listener = UnixListener::bind(Short::of(&making)?.path())?;
    let made = making.join(NAME);
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(made, path(folder))?;
    fs::remove_dir(making)?;
    Ok(listener)
}

/// Connects to the socket in a folder.
pub(super) async fn connect(folder: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(Short::of(folder)?.path()).await
}

/// Where the socket in a folder is.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// The socket's path by its folder's descriptor. The path of a socket has at most 108 bytes (unix(7)), and a folder may be
/// deeper than that.
struct Short(File);

impl Short {
    fn of(folder: &Path) -> io::Result<Self> {
        File::open(folder).map(Self)
    }

    /// Good for as long as the value lives.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{NAME}", self.0.as_raw_fd()))
    }
}

fn remove_folder_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

const NAME: &str = "control.sock";
/// The folder in which a socket is made.
const MAKING: &str = "control.making";
