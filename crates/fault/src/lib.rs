#![doc = include_str!("../README.md")]

mod back_off;

pub use crate::back_off::{BackOff, Waits};

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A failed attempt: what failed, what that asks for, how far it reaches.
///
/// `Display` is one line without the cause; `{:#}` appends the chain of causes, so that one log field holds it all.
/// Cloning is cheap: a lost connection keeps many batches open for one reason.
#[derive(Clone)]
pub struct Fault {
    what: String,
    verdict: Verdict,
    reach: Reach,
    advice: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault that may pass later. `what` is lower case, without a full stop: "failed to …".
    pub fn retry(what: impl Into<String>) -> Self {
        Self::new(Verdict::Retry, Reach::Lane, what.into())
    }

    /// A fault of this one record or page, which will never pass.
    pub fn reject(what: impl Into<String>) -> Self {
        Self::new(Verdict::Reject, Reach::Record, what.into())
    }

    /// A fault that only a person can mend.
    pub fn halt(what: impl Into<String>) -> Self {
        Self::new(Verdict::Halt, Reach::Lane, what.into())
    }

    fn new(verdict: Verdict, reach: Reach, what: String) -> Self {
        Self { what, verdict, reach, advice: None, retry_after: None, source: None }
    }

    /// Adds what a person should do, as a sentence.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds the other side's own hint of when to come back.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Adds the cause. Its text must not repeat in `what`.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into().into());
        self
    }

    /// Narrows or widens how far the fault reaches.
    #[must_use]
    pub fn reaching(mut self, reach: Reach) -> Self {
        self.reach = reach;
        self
    }

    /// What failed, without its causes.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What the fault asks for.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How far the fault reaches.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// What a person should do, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// The other side's hint of when to come back.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if f.alternate() {
            let mut cause = self.source.as_ref().map(|source| source.as_ref() as &dyn Error);
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?}): {self:#}", self.verdict, self.reach)?;
        if let Some(wait) = self.retry_after {
            write!(f, " [come back after {wait:?}]")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, " [{advice}]")?;
        }
        Ok(())
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn Error + 'static))
    }
}

/// What a fault asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing will pass until a person acts: keep all, say so, ask again slowly.
    Halt,
    /// This record or page never will pass.
    Reject,
    /// It may pass later.
    Retry,
}

/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Everything that goes the same way.
    Lane,
    /// One queue: the records of one feed.
    Queue,
    /// One record.
    Record,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_prints_its_causes_only_when_asked() {
        let cause = std::io::Error::other("connection reset");
        let fault = Fault::retry("failed to send a batch").caused_by(cause);
        assert_eq!(fault.to_string(), "failed to send a batch");
        assert_eq!(format!("{fault:#}"), "failed to send a batch: connection reset");
    }

    #[test]
    fn each_verdict_reaches_as_far_as_it_must_by_default() {
        assert_eq!(Fault::retry("x").reach(), Reach::Lane);
        assert_eq!(Fault::reject("x").reach(), Reach::Record);
        assert_eq!(Fault::halt("x").reach(), Reach::Lane);
        assert_eq!(Fault::retry("x").reaching(Reach::Queue).reach(), Reach::Queue);
    }
}
