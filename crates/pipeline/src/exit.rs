//! How the program ends: every way has a code and a sentence.

use std::fmt;
use std::process::ExitCode;

use fault::Fault;
use journal::JournalError;

/// A failure of a command, as the person who typed it reads it.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: FailureKind,
    message: String,
    damage: bool,
    reader_gone: bool,
}

/// What an exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// Anything else.
    Failed = 1,
    /// The file is wrong.
    FileWrong = 2,
    /// Something is halted, or time is over; the rest stays in the journal.
    HaltedOrOutOfTime = 3,
    /// A destination cannot be opened.
    Destination = 4,
    /// The state is in use or damaged.
    State = 5,
}

impl FailureKind {
    /// What an exit code says that another process has given.
    pub(crate) fn of_code(code: u8) -> Self {
        let known = [Self::FileWrong, Self::HaltedOrOutOfTime, Self::Destination, Self::State];
        known.into_iter().find(|kind| *kind as u8 == code).unwrap_or(Self::Failed)
    }
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), damage: false, reader_gone: false }
    }

    /// A failure with the chain of its causes.
    pub(crate) fn because(kind: FailureKind, doing: &str, cause: &dyn std::error::Error) -> Self {
        let mut message = format!("{doing}: {cause}");
        let mut source = cause.source();
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self::new(kind, message)
    }

    pub(crate) fn from_fault(kind: FailureKind, fault: &Fault) -> Self {
        let advice = fault.advice().map(|advice| format!("\n{advice}")).unwrap_or_default();
        Self::new(kind, format!("{fault:#}{advice}"))
    }

    /// Nobody reads standard output any more: what a pipeline on a command line ends by.
    pub(crate) fn reader_gone() -> Self {
        let message = "the reader of standard output has gone; what it has not taken stays in the journal";
        Self { reader_gone: true, ..Self::new(FailureKind::Destination, message) }
    }

    /// Nobody reads standard output any more.
    pub(crate) fn is_reader_gone(&self) -> bool {
        self.reader_gone
    }

    /// The journal was found damaged while it was in use: opening it again sets it aside.
    pub(crate) fn is_damage(&self) -> bool {
        self.damage
    }

    pub(crate) fn kind(&self) -> FailureKind {
        self.kind
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let damage = matches!(error, JournalError::Damaged { .. });
        Self { damage, ..Self::because(FailureKind::State, "the journal cannot be used", &error) }
    }
}
