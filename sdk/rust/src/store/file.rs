//! The store that survives a restart: one file, a line of JSON for each transaction.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::{EventRow, MemoryStore, Op, Saved, Store, StoreError};
use crate::{ChatId, frame::nesting};

/// The journal is rewritten when it is this many times as long as then, and at least this long.
const GROWTH: u64 = 4;
const LEAST: u64 = 1 << 20;
/// How each line begins.
const START: &[u8] = br#"[{"op":""#;
/// `serde_json` does not read what is nested more deeply than 127.
const DEEPEST: usize = 127;

/// A store that survives a restart: a journal, in which each line is a transaction. All of it is in memory too.
///
/// The file is readable by its owner only, because it has the tokens. A second process cannot open it at the same time. A
/// transaction that a crash has cut off does not count, and the ones before it do.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    memory: MemoryStore,
    journal: File,
    /// The length of the journal: of its whole lines.
    length: u64,
    /// At this length it is rewritten.
    limit: u64,
    /// Held until the store is dropped. It is another file, because the journal is replaced.
    lock: File,
}

impl FileStore {
    /// Opens a journal, or creates it. From the first line on that cannot be read it is cut off. If that is more than a crash
    /// explains, a copy stays beside it, with the extension `damaged`.
    ///
    /// # Errors
    /// The file cannot be opened, another process has it open, or it is not a journal.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::with_capacity(path, MemoryStore::default().capacity())
    }

    /// As [`FileStore::open`], and keeps this number of events of a chat.
    ///
    /// # Errors
    /// As [`FileStore::open`].
    pub fn with_capacity(path: impl Into<PathBuf>, capacity: u64) -> Result<Self, StoreError> {
        let path = path.into();
        // Before the lock, which would be left beside a file of something else.
        if fs::read(&path).is_ok_and(|bytes| !is_journal(&bytes)) {
            return Err(StoreError::NotAJournal(path));
        }
        let lock = private().open(beside(&path, "lock")).map_err(|error| failed(&path, error))?;
        match lock.try_lock() {
            Ok(()) => Self::open_locked(&path, capacity, lock).map_err(|error| failed(&path, error)),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::Locked(path)),
            Err(fs::TryLockError::Error(error)) => Err(failed(&path, error)),
        }
    }

    fn open_locked(path: &Path, capacity: u64, lock: File) -> io::Result<Self> {
        let path = path.to_owned();
        let mut journal = private().open(&path)?;
        let mut memory = MemoryStore::with_capacity(capacity);
        let mut bytes = Vec::new();
        journal.read_to_end(&mut bytes)?;
        let length = replay(&bytes, &mut memory);
        protect(&journal)?;
        if bytes[length..].contains(&b'\n') {
            tracing::warn!(path = %path.display(), at = length, "store is damaged; a copy is kept");
            private().truncate(true).open(beside(&path, "damaged"))?.write_all(&bytes)?;
        }
        let length = length as u64;
        // What a crash has cut off would otherwise begin the next line.
        journal.set_len(length)?;
        journal.seek(SeekFrom::End(0))?;
        if length == 0 {
            sync_folder(&path)?;
        }
        let mut store = Self { path, memory, journal, length, limit: LEAST, lock };
        // Otherwise a journal would grow with each start of a process that ends before it is rewritten.
        store.compact_if_long();
        Ok(store)
    }

    fn commit(&mut self, ops: &[Op]) -> io::Result<()> {
        if ops.is_empty() {
            return Ok(());
        }
        self.append(ops)?;
        self.memory.apply_all(ops);
        if ops.contains(&Op::Wipe) {
            // Of what was deleted, nothing may be left on the disk.
            self.compact()?;
            return self.forget_damaged();
        }
        self.compact_if_long();
        Ok(())
    }

    fn append(&mut self, ops: &[Op]) -> io::Result<()> {
        let mut line = serde_json::to_vec(ops)?;
        if nesting(&line) > DEEPEST {
            // It could not be read, and neither could what follows it.
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        line.push(b'\n');
        let written = self
            .journal
            .write_all(&line)
            .and_then(|()| if ops.iter().any(Op::is_precious) { self.journal.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // The half of a line must not be there when the next one is written.
            self.journal.set_len(self.length)?;
            self.journal.seek(SeekFrom::End(0))?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Writes a journal with the present content, and puts it in the place of the old one.
    fn compact(&mut self) -> io::Result<()> {
        let path = beside(&self.path, "new");
        let file = private().open(&path)?;
        file.set_len(0)?;
        let mut writer = BufWriter::new(file);
        for op in self.memory.ops() {
            serde_json::to_writer(&mut writer, &[op])?;
            writer.write_all(b"\n")?;
        }
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&path, &self.path)?;
        self.length = file.metadata()?.len();
        self.limit = LEAST.max(self.length * GROWTH);
        self.journal = file;
        // Otherwise a crash of the computer may bring the old journal back, without what is written to the new one.
        sync_folder(&self.path)
    }

    fn compact_if_long(&mut self) {
        if self.length > self.limit
            && let Err(error) = self.compact()
        {
            tracing::warn!(%error, "journal cannot be compacted");
            self.limit = self.length.saturating_mul(2);
        }
    }

    /// Deletes the copy of a damaged journal.
    fn forget_damaged(&self) -> io::Result<()> {
        match fs::remove_file(beside(&self.path, "damaged")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for FileStore {
    /// A process that is being forked has a duplicate of the file, and with it the lock, until it executes its program.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Store for FileStore {
    fn capacity(&self) -> u64 {
        self.memory.capacity()
    }

    fn load(&mut self) -> Result<Saved, StoreError> {
        self.memory.load()
    }

    fn events(
        &self,
        chat: ChatId,
        range: RangeInclusive<u64>,
        limit: usize,
        backwards: bool,
    ) -> Result<Vec<EventRow>, StoreError> {
        self.memory.events(chat, range, limit, backwards)
    }

    fn write(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        self.commit(ops).map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), error }
}

/// Applies all whole lines up to one that cannot be read. Returns their length.
fn replay(bytes: &[u8], memory: &mut MemoryStore) -> usize {
    let mut length = 0;
    for line in whole_lines(bytes) {
        let Ok(ops) = serde_json::from_slice::<Vec<Op>>(line) else { break };
        memory.apply_all(&ops);
        length += line.len();
    }
    length
}

fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"))
}

/// Whether a file is a journal, or what a crash leaves of the first line of one.
fn is_journal(bytes: &[u8]) -> bool {
    let common = bytes.len().min(START.len());
    let may_be_torn = bytes[..common] == START[..common] || bytes.iter().all(|byte| *byte == 0);
    may_be_torn || whole_lines(bytes).next().is_some_and(|line| serde_json::from_slice::<Vec<Op>>(line).is_ok())
}

/// Makes a new name of a file survive a crash of the computer.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?.sync_all()?;
    }
    let _ = path;
    Ok(())
}

/// A file that only its owner can read and write.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A file from elsewhere may have another mode.
fn protect(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let _ = file;
    Ok(())
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
