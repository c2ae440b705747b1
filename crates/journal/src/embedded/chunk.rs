//! Chunks: entries packed together, compressed and checksummed. What is in one is known without unpacking it.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::row::Sum;
use super::trouble::Trouble;
use crate::{Entry, FeedInfo, Key, NewEntry, Place};

/// The largest entry that the embedded journal takes, in bytes: more than the API puts into one answer. Its page needs
/// room for its compressed size twice, in the database and in the log.
pub const LARGEST_ENTRY: usize = 64 * 1024 * 1024;

/// How much is packed together, before compression.
const CHUNK_BYTES: usize = 256 * 1024;

/// In front of each entry: its key's time and id, its flags, its length.
const FRAME_BYTES: usize = 8 + 16 + 1 + 4;

/// What a chunk holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChunkHead {
    pub(super) queue: i64,
    /// The place of its first entry.
    pub(super) place: i64,
    /// Which part of an entry that is larger than a chunk, and how many there are.
    part: i64,
    parts: i64,
    /// How many entries.
    count: i64,
    /// When it was appended, in milliseconds since 1970.
    pub(super) at: i64,
    /// The earliest of its entries' times.
    pub(super) oldest: i64,
    /// Its size unpacked.
    raw: i64,
}

impl ChunkHead {
    pub(super) const COLUMNS: &'static str = "queue, place, part, parts, count, at, oldest, raw, head_sum";

    /// Reads and verifies a head from the first columns of a row.
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Trouble> {
        let head = Self {
            queue: row.get(0)?,
            place: row.get(1)?,
            part: row.get(2)?,
            parts: row.get(3)?,
            count: row.get(4)?,
            at: row.get(5)?,
            oldest: row.get(6)?,
            raw: row.get(7)?,
        };
        if row.get::<_, i64>(8)? == head.sum() {
            return Ok(head);
        }
        Err(Trouble::damaged(format!("the head of a chunk of queue {} does not match its checksum", head.queue)))
    }

    /// The place after its last entry.
    pub(super) fn end(&self) -> i64 {
        self.place + self.count
    }

    fn sum(&self) -> i64 {
        let sum = Sum::of("chunk").int(self.queue).int(self.place).int(self.part).int(self.parts);
        sum.int(self.count).int(self.at).int(self.oldest).int(self.raw).end()
    }

    /// The payload's checksum is seeded by the head's: a payload belongs to one head.
    fn data_sum(&self, data: &[u8]) -> i64 {
        xxh3_64_with_seed(data, self.sum().cast_unsigned()).cast_signed()
    }

    fn damaged(&self, why: &str) -> Trouble {
        Trouble::damaged(format!("the chunk at place {} of queue {} {why}", self.place, self.queue))
    }
}

/// Packs entries into chunks. Its memory is one chunk and one compression context, whatever it packs.
pub(super) struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    raw: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Result<Self, Trouble> {
        let compressor =
            zstd::bulk::Compressor::new(1).map_err(|error| Trouble::io("set up the compression of chunks", error))?;
        Ok(Self { compressor, raw: Vec::with_capacity(CHUNK_BYTES) })
    }

    /// Appends entries to a queue whose tail is `place`. Returns the new tail.
    pub(super) fn append<'a>(
        &mut self,
        db: &Connection,
        (queue, mut place): (i64, i64),
        at: i64,
        entries: impl Iterator<Item = &'a NewEntry>,
    ) -> Result<i64, Trouble> {
        let empty = ChunkHead { queue, place, part: 0, parts: 1, count: 0, at, oldest: i64::MAX, raw: 0 };
        let mut head = empty.clone();
        self.raw.clear();
        for entry in entries {
            let size = FRAME_BYTES + entry.bytes.len();
            if head.count > 0 && self.raw.len() + size > CHUNK_BYTES {
                self.write(db, &mut head)?;
                head = ChunkHead { place, ..empty.clone() };
            }
            self.raw.extend_from_slice(&frame(entry));
            head.count += 1;
            head.oldest = head.oldest.min(entry.key.time);
            place += 1;
            if size > CHUNK_BYTES {
                self.write_large(db, head, &entry.bytes)?;
                head = ChunkHead { place, ..empty.clone() };
            } else {
                self.raw.extend_from_slice(&entry.bytes);
            }
        }
        if head.count > 0 {
            self.write(db, &mut head)?;
        }
        Ok(place)
    }

    /// Writes what is packed, and starts over.
    fn write(&mut self, db: &Connection, head: &mut ChunkHead) -> Result<(), Trouble> {
        head.raw = stored(self.raw.len());
        let data = self.compress()?;
        self.raw.clear();
        insert(db, head, &data)
    }

    /// Writes an entry that is larger than a chunk, in parts; its frame is packed already.
    fn write_large(&mut self, db: &Connection, mut head: ChunkHead, bytes: &[u8]) -> Result<(), Trouble> {
        let (first, rest) = bytes.split_at(CHUNK_BYTES - FRAME_BYTES);
        let pieces = rest.chunks(CHUNK_BYTES);
        head.parts = stored(1 + pieces.len());
        for piece in std::iter::once(first).chain(pieces) {
            self.raw.extend_from_slice(piece);
            self.write(db, &mut head)?;
            head.part += 1;
        }
        Ok(())
    }

    fn compress(&mut self) -> Result<Vec<u8>, Trouble> {
        self.compressor.compress(&self.raw).map_err(|error| Trouble::io("compress a chunk", error))
    }

    /// Compresses bytes that are kept outside of chunks.
    pub(super) fn compress_alone(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Trouble> {
        self.compressor.compress(bytes).map_err(|error| Trouble::io("compress a dead letter", error))
    }
}

fn frame(entry: &NewEntry) -> [u8; FRAME_BYTES] {
    let length = u32::try_from(entry.bytes.len()).expect("an entry is at most LARGEST_ENTRY");
    let mut frame = [0; FRAME_BYTES];
    frame[..8].copy_from_slice(&entry.key.time.to_le_bytes());
    frame[8..24].copy_from_slice(&entry.key.id);
    frame[24] = entry.flags;
    frame[25..].copy_from_slice(&length.to_le_bytes());
    frame
}

fn insert(db: &Connection, head: &ChunkHead, data: &[u8]) -> Result<(), Trouble> {
    let sql = "INSERT INTO chunk (queue, place, part, parts, count, at, oldest, raw, head_sum, data_sum, data) \
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    db.prepare_cached(sql)?.execute(params![
        head.queue,
        head.place,
        head.part,
        head.parts,
        head.count,
        head.at,
        head.oldest,
        head.raw,
        head.sum(),
        head.data_sum(data),
        data,
    ])?;
    Ok(())
}

/// The chunk that holds a place, as it is stored: nothing is unpacked yet, so that the database is free again soon.
pub(super) struct PackedChunk {
    pub(super) head: ChunkHead,
    data: Vec<Vec<u8>>,
}

impl PackedChunk {
    /// Fetches the chunk that holds `place`; a queue that should hold it and does not is damaged.
    pub(super) fn fetch(db: &Connection, queue: i64, place: i64) -> Result<Self, Trouble> {
        let sql = "SELECT queue, place, part, parts, count, at, oldest, raw, head_sum, data_sum, data FROM chunk \
                   WHERE queue = ? AND place <= ? AND part = 0 ORDER BY place DESC LIMIT 1";
        let missing = || Trouble::damaged(format!("place {place} of queue {queue} is missing"));
        let (head, first) = fetch_part(db, sql, params![queue, place])?.ok_or_else(missing)?;
        if head.queue != queue || !(head.place..head.end()).contains(&place) {
            return Err(missing());
        }
        let mut data = vec![first];
        for part in 1..head.parts {
            let sql = "SELECT queue, place, part, parts, count, at, oldest, raw, head_sum, data_sum, data FROM chunk \
                       WHERE queue = ? AND place = ? AND part = ?";
            let (other, more) = fetch_part(db, sql, params![queue, head.place, part])?.ok_or_else(missing)?;
            if (other.queue, other.place, other.part) != (queue, head.place, part) {
                return Err(missing());
            }
            data.push(more);
        }
        Ok(Self { head, data })
    }

    /// Unpacks its entries, which share one buffer and are all of one feed.
    pub(super) fn unpack(&self, feed: &Arc<FeedInfo>) -> Result<Vec<Entry>, Trouble> {
        let mut raw = Vec::new();
        for (index, data) in self.data.iter().enumerate() {
            // Only the last part says its own size; those before it are full.
            let size = if index + 1 < self.data.len() { CHUNK_BYTES } else { self.last_size()? };
            let piece = zstd::bulk::decompress(data, size).map_err(|_| self.head.damaged("cannot be decompressed"))?;
            if index == 0 {
                raw = piece;
                raw.reserve_exact((self.data.len() - 1) * CHUNK_BYTES);
            } else {
                raw.extend_from_slice(&piece);
            }
        }
        self.split(&Bytes::from(raw), feed)
    }

    fn last_size(&self) -> Result<usize, Trouble> {
        let size = if self.head.parts == 1 { self.head.raw } else { stored(CHUNK_BYTES) };
        usize::try_from(size)
            .ok()
            .filter(|size| *size <= CHUNK_BYTES)
            .ok_or_else(|| self.head.damaged("states an impossible size"))
    }

    fn split(&self, raw: &Bytes, feed: &Arc<FeedInfo>) -> Result<Vec<Entry>, Trouble> {
        let short = || self.head.damaged("ends inside an entry");
        let count = usize::try_from(self.head.count).ok().filter(|count| *count <= raw.len()).ok_or_else(short)?;
        let mut entries = Vec::with_capacity(count);
        let mut at = 0;
        for place in self.head.place..self.head.end() {
            let frame: &[u8; FRAME_BYTES] = raw.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
            let (key, flags, length) = parse_frame(frame);
            at += FRAME_BYTES;
            if raw.len() - at < length {
                return Err(short());
            }
            let bytes = raw.slice(at..at + length);
            entries.push(Entry { feed: Arc::clone(feed), place: place_out(place)?, key, flags, bytes });
            at += length;
        }
        Ok(entries)
    }
}

fn parse_frame(frame: &[u8; FRAME_BYTES]) -> (Key, u8, usize) {
    let mut time = [0; 8];
    let mut id = [0; 16];
    let mut length = [0; 4];
    time.copy_from_slice(&frame[..8]);
    id.copy_from_slice(&frame[8..24]);
    length.copy_from_slice(&frame[25..]);
    (Key { time: i64::from_le_bytes(time), id }, frame[24], u32::from_le_bytes(length) as usize)
}

fn fetch_part(
    db: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Option<(ChunkHead, Vec<u8>)>, Trouble> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_row(params, |row| {
        let sum: i64 = row.get(9)?;
        let data: Vec<u8> = row.get(10)?;
        Ok((ChunkHead::read(row), sum, data))
    });
    let Some((head, sum, data)) = found.optional()? else { return Ok(None) };
    let head = head?;
    if head.data_sum(&data) != sum {
        return Err(head.damaged("does not match its checksum"));
    }
    Ok(Some((head, data)))
}

/// The heads of a queue's chunks from `place` on, at most `limit`, without their further parts.
pub(super) fn heads(db: &Connection, queue: i64, place: i64, limit: i64) -> Result<Vec<ChunkHead>, Trouble> {
    let sql = "SELECT queue, place, part, parts, count, at, oldest, raw, head_sum FROM chunk \
               WHERE queue = ? AND place >= ? AND part = 0 ORDER BY place LIMIT ?";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![queue, place, limit])?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        heads.push(ChunkHead::read(row)?);
    }
    Ok(heads)
}

/// The head of the chunk that holds a queue's last entry.
pub(super) fn last_head(db: &Connection, queue: i64) -> Result<Option<ChunkHead>, Trouble> {
    let sql = "SELECT queue, place, part, parts, count, at, oldest, raw, head_sum FROM chunk \
               WHERE queue = ? AND part = 0 ORDER BY place DESC LIMIT 1";
    let mut statement = db.prepare_cached(sql)?;
    statement.query_row([queue], |row| Ok(ChunkHead::read(row))).optional()?.transpose()
}

/// Drops a chunk with all its parts.
pub(super) fn delete(db: &Connection, head: &ChunkHead) -> Result<(), Trouble> {
    let sql = "DELETE FROM chunk WHERE queue = ? AND place = ?";
    db.prepare_cached(sql)?.execute(params![head.queue, head.place])?;
    Ok(())
}

/// A place as it is stored.
pub(super) fn place_in(place: Place) -> i64 {
    i64::try_from(place.0).unwrap_or(i64::MAX)
}

/// A stored place.
pub(super) fn place_out(place: i64) -> Result<Place, Trouble> {
    u64::try_from(place).map(Place).map_err(|_| Trouble::damaged(format!("a place of {place}")))
}

fn stored(size: usize) -> i64 {
    i64::try_from(size).expect("a size in memory is below 2^63")
}
