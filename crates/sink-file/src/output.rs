//! Which of a sink's files a record goes to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fault::Fault;
use sink::{Fate, Fates, Record, Word};

use crate::LINES;
use crate::archive::Archive;
use crate::classify::classify;
use crate::line_file::LineFile;
use crate::options::{FileOptions, Paths};
use crate::rotated::is_taken_for_rotated;
use crate::settings::Settings;
use crate::stream::Stream;

/// Where lines go.
pub(crate) struct Output {
    target: Target,
    /// The lines of a batch, in one piece, so that they are one write. Its memory is kept for the next batch: buffers of
    /// this size that come and go on one thread and another are what a process grows by.
    buffer: Vec<u8>,
}

enum Target {
    Files(Files),
    Stream(Stream),
}

/// Regular files, the last used of them open.
struct Files {
    paths: Paths,
    open: HashMap<PathBuf, Used>,
    /// Counts the uses of files.
    turn: u64,
    /// Files whose earlier rotations were looked after.
    seen: HashSet<PathBuf>,
    settings: Arc<Settings>,
    archive: Option<Archive>,
}

struct Used {
    file: LineFile,
    turn: u64,
}

impl Output {
    pub(crate) fn standard_output() -> Result<Self, Fault> {
        Ok(Self::to(Target::Stream(Stream::standard_output()?)))
    }

    /// Opens the one file, or sees that the folder of several is there.
    pub(crate) fn open(options: FileOptions) -> Result<Self, Fault> {
        if let Paths::One(path) = &options.paths
            && let Some(stream) = Stream::at(path)
        {
            return Ok(Self::to(Target::Stream(stream)));
        }
        let mut files = Files::new(options)?;
        files.probe()?;
        Ok(Self::to(Target::Files(files)))
    }

    fn to(target: Target) -> Self {
        Self { target, buffer: Vec::with_capacity(LINES) }
    }

    pub(crate) fn word(&self) -> Word {
        match self.target {
            Target::Files(_) => Word::Durable,
            Target::Stream(_) => Word::BestEffort,
        }
    }

    /// Sees whether lines can be written, without writing any.
    pub(crate) fn probe(&mut self) -> Result<(), Fault> {
        match &mut self.target {
            Target::Files(files) => files.probe(),
            Target::Stream(stream) => stream.write(&[]),
        }
    }

    /// Writes a line for each record, and syncs where that can be done.
    pub(crate) fn write(&mut self, records: &[Record]) -> Fates {
        let fates = match &mut self.target {
            Target::Files(files) => files.write(records, &mut self.buffer),
            Target::Stream(stream) => {
                lines(records, &mut self.buffer);
                settled(stream.write(&self.buffer))
            }
        };
        // A single record may be larger than a batch; it is no measure for those that follow.
        self.buffer.shrink_to(LINES);
        fates
    }
}

impl Files {
    fn new(options: FileOptions) -> Result<Self, Fault> {
        let settings = Arc::new(Settings::new(&options)?);
        let archive = options.rotate.map(|_| Archive::start(Arc::clone(&settings))).transpose();
        let archive = archive.map_err(|error| Fault::retry("failed to start a thread").caused_by(error))?;
        check_names(&options.paths)?;
        let (open, seen) = (HashMap::new(), HashSet::new());
        Ok(Self { paths: options.paths, open, turn: 0, seen, settings, archive })
    }

    fn probe(&mut self) -> Result<(), Fault> {
        match &self.paths {
            Paths::One(path) => self.append(&path.clone(), &[]),
            Paths::ByTenant { folder, .. } => {
                std::fs::read_dir(folder).map(drop).map_err(|error| classify("open", folder, error))
            }
        }
    }

    fn write(&mut self, records: &[Record], buffer: &mut Vec<u8>) -> Fates {
        let (folder, files) = match &self.paths {
            Paths::One(path) => {
                lines(records, buffer);
                return settled(self.append(&path.clone(), buffer));
            }
            Paths::ByTenant { folder, files } => (folder, files),
        };
        let mut by_file: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
        let mut fates: Vec<Fate> = records.iter().map(|_| Fate::Refused(STRANGER.to_owned())).collect();
        for (index, record) in records.iter().enumerate() {
            if let Some(file) = files.get(&*record.tenant) {
                by_file.entry(folder.join(file)).or_default().push(index);
            }
        }
        for (path, indices) in by_file {
            lines(indices.iter().map(|index| &records[*index]), buffer);
            let written = self.append(&path, buffer);
            for index in indices {
                fates[index] = written.clone().map_or_else(Fate::Open, |()| Fate::Settled);
            }
        }
        together(fates)
    }

    /// Appends lines to one file, opening it where it is not.
    fn append(&mut self, path: &Path, lines: &[u8]) -> Result<(), Fault> {
        self.turn += 1;
        if !self.open.contains_key(path) {
            self.make_room();
            let mut file = LineFile::new(path.to_owned(), Arc::clone(&self.settings));
            file.open()?;
            self.open.insert(path.to_owned(), Used { file, turn: 0 });
        }
        let used = self.open.get_mut(path).expect("it is there or was just put there");
        used.turn = self.turn;
        let rotated = used.file.write(lines)?;
        // What earlier processes have left to do is looked for once.
        let is_new = self.archive.is_some() && !self.seen.contains(path) && self.seen.insert(path.to_owned());
        if let Some(archive) = self.archive.as_ref().filter(|_| rotated || is_new) {
            archive.look_after(used.file.path());
        }
        Ok(())
    }

    /// Closes the file that was used longest ago, where as many are open as may be.
    fn make_room(&mut self) {
        if self.open.len() < OPEN {
            return;
        }
        let oldest = self.open.iter().min_by_key(|(_, used)| used.turn).map(|(path, _)| path.clone());
        if let Some(oldest) = oldest {
            self.open.remove(&oldest);
        }
    }
}

/// A file with such a name would one day be removed as a rotated one of another.
fn check_names(paths: &Paths) -> Result<(), Fault> {
    let files: Vec<&PathBuf> = match paths {
        Paths::One(path) => vec![path],
        Paths::ByTenant { files, .. } => files.values().collect(),
    };
    match files.into_iter().find(|path| is_taken_for_rotated(path)) {
        None => Ok(()),
        Some(path) => Err(Fault::halt(format!("failed to tell {} from a rotated file", path.display()))
            .advise("Choose a path that does not end in a time.")),
    }
}

fn lines<'a>(records: impl IntoIterator<Item = &'a Record>, buffer: &mut Vec<u8>) {
    buffer.clear();
    for record in records {
        buffer.extend_from_slice(&record.payload);
        buffer.push(b'\n');
    }
}

fn settled(written: Result<(), Fault>) -> Fates {
    written.map_or_else(Fates::Open, |()| Fates::Settled)
}

/// One fate for all records where they share it.
fn together(fates: Vec<Fate>) -> Fates {
    if fates.iter().all(|fate| matches!(fate, Fate::Settled)) {
        return Fates::Settled;
    }
    match fates.first() {
        Some(Fate::Open(fault)) if fates.iter().all(|fate| matches!(fate, Fate::Open(_))) => Fates::Open(fault.clone()),
        _ => Fates::Each(fates),
    }
}

/// Files that are open at once. Those of more tenants take turns.
const OPEN: usize = 128;

const STRANGER: &str = "its tenant has left the file, and this sink writes a file for each tenant";
