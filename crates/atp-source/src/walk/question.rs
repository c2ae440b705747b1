//! What a walk asks, and what it is answered.

use crate::feed::Row;

/// What does not change during a walk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Rows asked for in one call.
    pub(crate) page_size: u32,
    /// The most rows that the API gives in one answer.
    pub(crate) cap: u32,
    /// Evidence is asked for with each row, and rows can be had one by one.
    pub(crate) has_evidence: bool,
    /// The API filters by creation time and heeds `$skip`.
    pub(crate) filters_created: bool,
    /// What the API cuts off an answer is the oldest.
    pub(crate) keeps_newest: bool,
    /// How far below the floor a pass looks back, in ticks.
    pub(crate) look_back: i64,
    /// How far back the first reading goes, in ticks.
    pub(crate) start: i64,
    /// The walk ends at the server's time of its first answer.
    pub(crate) once: bool,
}

/// A question to the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// One alert, whole.
    Alert { id: String },
    /// Nothing but the server's time.
    Clock,
    /// Rows.
    Window(WindowAsk),
}

/// Asks for rows. Times are whole milliseconds, lower bounds inclusive, upper bounds exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowAsk {
    pub(crate) from: i64,
    pub(crate) to: Option<i64>,
    pub(crate) created_from: Option<i64>,
    pub(crate) created_to: Option<i64>,
    pub(crate) skip: u32,
    /// At most this many rows; `None` for whatever there is.
    pub(crate) top: Option<u32>,
    pub(crate) expand: bool,
}

/// What the API answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The rows, sorted by update time and id.
    pub(crate) rows: Vec<Fetched>,
    /// The server's time.
    pub(crate) server_time: i64,
    /// The answer says that there is more.
    pub(crate) more: bool,
}

/// A row as the walk sees it.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) row: Row,
    /// Its creation time.
    pub(crate) created: Option<i64>,
    /// Its alert's id; known where it came without evidence.
    pub(crate) alert: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Make this call.
    Ask(Ask),
    /// Everything is read ([`Limits::once`]).
    Done,
    /// Nothing before the next poll.
    Idle,
}
