//! What becomes of rotated files: those that need not stay are removed, the others compressed. A thread of its own does
//! it, beside the writing.
//!
//! A compressed file takes its name when it is whole and on disk, and only then the plain one goes. A kill leaves either
//! or both, and the next start goes on from there.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use chrono::{DateTime, Utc};
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder;

use crate::disk::{Disk, sync_folder_of};
use crate::options::{Compression, Keep};
use crate::rotated::{State, compressed, rotated, unfinished};
use crate::settings::Settings;

/// Takes the names of files to the thread that looks after what they were rotated to. It ends with the last of these.
pub(crate) struct Archive {
    /// A name for each rotation: few, and small.
    desk: Sender<PathBuf>,
}

impl Archive {
    pub(crate) fn start(settings: Arc<Settings>) -> io::Result<Self> {
        let (desk, names) = mpsc::channel::<PathBuf>();
        let work = move || names.into_iter().for_each(|path| look_after(&path, &settings));
        thread::Builder::new().name("rotated-files".into()).spawn(work)?;
        Ok(Self { desk })
    }

    /// Has the thread look after what a file was rotated to.
    pub(crate) fn look_after(&self, path: &Path) {
        // Where the thread has panicked, it has said so; the next start makes good for it.
        let _ = self.desk.send(path.to_owned());
    }
}

fn look_after(path: &Path, settings: &Settings) {
    if let Err(error) = tidy(path, settings) {
        let file = path.display();
        tracing::warn!(%file, %error, "failed to compress or remove rotated files, the next rotation tries again");
    }
}

/// Removes and compresses what a file was rotated to.
pub(crate) fn tidy(path: &Path, settings: &Settings) -> io::Result<()> {
    let Some(rotate) = settings.rotate else { return Ok(()) };
    let disk = &*settings.disk;
    let found = rotated(path)?;
    let now = DateTime::<Utc>::from((settings.now)()).timestamp_millis();
    let times: BTreeSet<i64> = found.iter().map(|file| file.at).collect();
    let oldest = oldest_to_stay(&times, rotate.keep, now);
    let (gone, stay): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|file| file.at < oldest || file.state == State::Unfinished);
    for file in gone {
        disk.remove(&file.path)?;
    }
    let Some(how) = rotate.compress else { return Ok(()) };
    for file in stay.iter().filter(|file| file.state == State::Plain) {
        compress(&file.path, how, disk)?;
    }
    Ok(())
}

/// The time of the oldest rotation whose file stays.
fn oldest_to_stay(times: &BTreeSet<i64>, keep: Keep, now: i64) -> i64 {
    match keep {
        Keep::All => i64::MIN,
        Keep::Files(0) => i64::MAX,
        Keep::Files(count) => times.iter().rev().nth(count as usize - 1).copied().unwrap_or(i64::MIN),
        Keep::For(span) => now.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
    }
}

/// Puts a compressed file in place of a plain one.
fn compress(plain: &Path, how: Compression, disk: &dyn Disk) -> io::Result<()> {
    let target = compressed(plain, how);
    let draft = unfinished(&target);
    let source = File::open(plain)?;
    let metadata = source.metadata()?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(metadata.mode() & 0o7777);
    let file = disk.open(&draft, &options)?;
    if file.metadata()?.gid() != metadata.gid() {
        fchown(&file, None, Some(metadata.gid()))?;
    }
    // After the group, and whatever the umask.
    file.set_permissions(metadata.permissions())?;
    let file = pack(source, Sheet { disk, file }, how)?.file;
    disk.sync(&file)?;
    disk.rename(&draft, &target)?;
    sync_folder_of(disk, &target)?;
    disk.remove(plain)
}

fn pack<'a>(source: File, sheet: Sheet<'a>, how: Compression) -> io::Result<Sheet<'a>> {
    let mut source = BufReader::with_capacity(BLOCK, source);
    match how {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(sheet, flate2::Compression::default());
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()
        }
        Compression::Zstd => {
            let mut encoder = Encoder::new(sheet, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            encoder.include_checksum(true)?;
            io::copy(&mut source, &mut encoder)?;
            encoder.finish()
        }
    }
}

/// The file that an encoder writes to.
struct Sheet<'a> {
    disk: &'a dyn Disk,
    file: File,
}

impl Write for Sheet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write(&mut self.file, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BLOCK: usize = 128 << 10;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::disk::System;
    use crate::options::Rotate;

    const DAY: Duration = Duration::from_secs(86_400);

    fn day(number: u32) -> SystemTime {
        UNIX_EPOCH + DAY * number
    }

    fn settings(keep: Keep, compress: Option<Compression>) -> Settings {
        let rotate = Some(Rotate { size: Some(1), every: None, keep, compress });
        Settings { folder: None, mode: None, group: None, rotate, disk: Arc::new(System), now: || day(10) }
    }

    /// A file that was rotated on these days.
    fn rotated_on(days: &[u32]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        for number in days {
            let name = crate::rotated::next_name(&path, day(*number)).unwrap();
            fs::write(name, format!("of day {number}\n")).unwrap();
        }
        (folder, path)
    }

    fn days_left(path: &Path) -> Vec<i64> {
        rotated(path).unwrap().into_iter().map(|file| file.at / 86_400_000).collect()
    }

    /// Guarantee: as many rotated files stay as were asked for, the newest of them.
    #[test]
    fn the_oldest_files_go() {
        for (keep, left) in [
            (Keep::All, vec![1, 2, 5, 9]),
            (Keep::Files(9), vec![1, 2, 5, 9]),
            (Keep::Files(2), vec![5, 9]),
            (Keep::Files(0), vec![]),
            (Keep::For(DAY * 8), vec![2, 5, 9]),
            (Keep::For(Duration::ZERO), vec![]),
        ] {
            let (_folder, path) = rotated_on(&[1, 2, 5, 9]);
            tidy(&path, &settings(keep, None)).unwrap();
            assert_eq!(days_left(&path), left, "{keep:?}");
        }
    }

    /// Guarantee: a compressed file holds what the plain one held, has its mode, and takes its place.
    #[test]
    fn rotated_files_are_compressed() {
        for how in [Compression::Gzip, Compression::Zstd] {
            let (_folder, path) = rotated_on(&[1, 2]);
            let plain = rotated(&path).unwrap().remove(0).path;
            fs::set_permissions(&plain, std::os::unix::fs::PermissionsExt::from_mode(0o604)).unwrap();
            tidy(&path, &settings(Keep::All, Some(how))).unwrap();
            let found = rotated(&path).unwrap();
            assert!(found.iter().all(|file| file.state == State::Compressed), "{found:?}");
            let texts: Vec<String> = found.iter().map(|file| unpacked(&file.path)).collect();
            assert_eq!(texts, ["of day 1\n", "of day 2\n"]);
            assert_eq!(found[0].path.metadata().unwrap().mode() & 0o777, 0o604);
        }
    }

    /// Scenario: kills have left a draft, and a compressed file beside its plain one. Guarantee: one whole file is left.
    #[test]
    fn what_a_kill_left_is_finished() {
        let (_folder, path) = rotated_on(&[1]);
        let plain = rotated(&path).unwrap().remove(0).path;
        let target = compressed(&plain, Compression::Zstd);
        fs::write(unfinished(&target), "half").unwrap();
        fs::write(&target, "stale").unwrap();
        tidy(&path, &settings(Keep::Files(1), Some(Compression::Zstd))).unwrap();
        let found = rotated(&path).unwrap();
        assert_eq!(found.iter().map(|file| &file.path).collect::<Vec<_>>(), [&target]);
        assert_eq!(unpacked(&target), "of day 1\n");
    }

    fn unpacked(path: &Path) -> String {
        let mut text = String::new();
        let file = File::open(path).unwrap();
        if path.extension().is_some_and(|extension| extension == "gz") {
            flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        } else {
            zstd::stream::read::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
        }
        text
    }
}
