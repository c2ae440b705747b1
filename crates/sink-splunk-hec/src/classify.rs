//! What an answer of the collector, or the lack of one, asks for.
//!
//! The collector's code comes before the HTTP status: 400 and 503 hold verdicts of every kind.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use fault::Fault;

use crate::reply::{Reply, Said};

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Finding {
    /// One event is the reason why the request was not taken whole.
    EventRefused { number: Option<usize>, reason: String },
    /// The index of an event is not one that the token may write to.
    IndexRefused { reason: String },
    /// Nothing was taken, for a reason that lies with this indexer: another one may.
    NotHere(Fault),
    /// Whether it was taken is not known, or no indexer will.
    Open(Fault),
    /// All was taken.
    Taken { ack_id: Option<u64>, ease: Option<Duration> },
    /// The events before this one were taken.
    TakenUpTo { number: usize, fault: Fault },
    /// The token was refused.
    TokenRefused(Fault),
    /// The request is too large.
    TooLarge(Fault),
    /// The channel is not taken: a new one may.
    ChannelRefused(Fault),
}

/// What became of a question for acknowledgements.
#[derive(Debug)]
pub(crate) enum Word {
    /// These are acknowledged.
    Acknowledged(Vec<u64>),
    /// The channel is gone, and with it all that it would have said.
    ChannelLost(Fault),
    /// The token gives no acknowledgements, or something else only a person can mend.
    Halted(Fault),
    /// There was an answer, and the question may be asked again.
    NotNow(Fault),
    /// There may have been a yes, which the collector gives once.
    Unheard(Fault),
    /// The token was refused.
    TokenRefused(Fault),
}

/// What an answer to a request with events means.
pub(crate) fn request(peer: &str, reply: &Reply, acknowledge: bool) -> Finding {
    match reply.said() {
        Some(said) if reply.is_success() => success(peer, &said, acknowledge),
        Some(said) => refusal(peer, reply, &said, acknowledge),
        // A 200 that the collector did not write proves nothing.
        None if reply.is_success() => Finding::Open(
            Fault::retry(format!("failed to understand the answer of {peer}"))
                .caused_by(format!("HTTP {} without a code of HEC", reply.status))
                .advise("Look whether the URL leads to an HTTP Event Collector, and what stands between."),
        ),
        None => status(peer, reply),
    }
}

fn success(peer: &str, said: &Said, acknowledge: bool) -> Finding {
    let ease = match said.code {
        0 => None,
        // A queue, or the acknowledgements, near their capacity: the events were taken all the same.
        24 | 25 => Some(EASE),
        _ => {
            let what = format!("failed to understand the answer of {peer}");
            return Finding::Open(Fault::retry(what).caused_by(Cause::of(said)));
        }
    };
    if acknowledge && said.ack_id.is_none() {
        return Finding::Open(unacknowledging(peer, "it took events without naming an acknowledgement".into()));
    }
    Finding::Taken { ack_id: said.ack_id, ease }
}

/// Codes of Splunk's "Troubleshoot HTTP Event Collector", and those that later versions added.
fn refusal(peer: &str, reply: &Reply, said: &Said, acknowledge: bool) -> Finding {
    let refused = |what: &str| format!("failed to {what} {peer}");
    let halt = |advice: &str| {
        let fault = Fault::halt(refused("deliver to"));
        Finding::Open(fault.caused_by(Cause::of(said)).advise(advice))
    };
    let busy = || hinted(Fault::retry(refused("deliver to")).caused_by(Cause::of(said)), reply);
    match said.code {
        1..=4 | 21 | 22 => Finding::TokenRefused(token(peer, said)),
        5 => halt("The body of our requests gets lost: look at what stands between, or set `gzip: false`."),
        6 | 12 | 13 | 15 => Finding::EventRefused { number: said.number, reason: Cause::of(said).to_string() },
        7 => Finding::IndexRefused { reason: Cause::of(said).to_string() },
        9 => match said.number {
            Some(number) => Finding::TakenUpTo { number, fault: busy() },
            None => Finding::NotHere(busy()),
        },
        10 | 28 => Finding::Open(channel_missing(peer, said, acknowledge)),
        11 if acknowledge => Finding::ChannelRefused(channel_refused(peer, said)),
        11 => Finding::Open(channel_refused(peer, said)),
        14 => Finding::Open(unacknowledging(peer, Cause::of(said).to_string())),
        16 => halt("Take the token out of the URL: it goes into `token`."),
        8 | 18..=20 | 23 | 26 | 27 => Finding::NotHere(busy()),
        _ => status(peer, reply),
    }
}

/// An answer without a code that is known, by its HTTP status.
fn status(peer: &str, reply: &Reply) -> Finding {
    let what = format!("failed to deliver to {peer}");
    let cause = match reply.said() {
        Some(said) => format!("HTTP {}, {}", reply.status, Cause::of(&said)),
        None => format!("HTTP {}", reply.status),
    };
    let halt = |advice: &str| Finding::Open(Fault::halt(&what).caused_by(cause.clone()).advise(advice));
    match reply.status {
        401 | 403 => Finding::TokenRefused(
            Fault::halt(&what).caused_by(cause).advise("Look at what stands before the collector, and at `token`."),
        ),
        408 | 429 | 500.. => Finding::NotHere(hinted(Fault::retry(what).caused_by(cause), reply)),
        // The collector says it in HTML, and so does what stands before it.
        413 => Finding::TooLarge(Fault::reject(what).caused_by(cause)),
        404 | 405 => halt("Look whether the URL leads to an HTTP Event Collector, and whether that is switched on."),
        415 => halt("The collector takes no gzip: set `gzip: false`."),
        300..=399 => halt("Give the URL that this one leads to: a token follows no redirect."),
        _ => halt("Look whether the URL leads to an HTTP Event Collector, and what stands between."),
    }
}

/// What an answer to a question for acknowledgements means.
pub(crate) fn question(peer: &str, reply: &Reply) -> Word {
    if let Some(ids) = reply.acknowledged() {
        return Word::Acknowledged(ids);
    }
    let what = || format!("failed to ask {peer} for acknowledgements");
    let Some(said) = reply.said() else {
        let fault = hinted(Fault::retry(what()).caused_by(format!("HTTP {}", reply.status)), reply);
        return match reply.status {
            200..=299 => Word::Unheard(fault),
            401 | 403 => Word::TokenRefused(
                Fault::halt(what())
                    .caused_by(format!("HTTP {}", reply.status))
                    .advise("Look at what stands before the collector, and at `token`."),
            ),
            404 | 405 => Word::Halted(unacknowledging(peer, format!("HTTP {}", reply.status))),
            _ => Word::NotNow(fault),
        };
    };
    match said.code {
        1..=4 | 21 | 22 => Word::TokenRefused(token(peer, &said)),
        10 | 28 => Word::Halted(channel_missing(peer, &said, true)),
        11 => Word::ChannelLost(channel_refused(peer, &said)),
        14 => Word::Halted(unacknowledging(peer, Cause::of(&said).to_string())),
        _ => Word::NotNow(hinted(Fault::retry(what()).caused_by(Cause::of(&said)), reply)),
    }
}

/// No whole answer came: whether the events were taken is not known.
pub(crate) fn unanswered(peer: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> Fault {
    Fault::retry(format!("failed to hear the answer of {peer}"))
        .caused_by(error)
        .advise("The indexer, or a machine on the way, broke the connection: what is not settled goes again.")
}

/// What an answer to the question for its health says against an indexer.
///
/// # Errors
/// That it is not well. One that has no such path, as those who imitate the collector, says nothing by that.
pub(crate) fn health(peer: &str, reply: &Reply) -> Result<(), Fault> {
    match (reply.said(), reply.status) {
        (_, 200..=299) | (None, 400 | 404 | 405) => Ok(()),
        (Some(said), _) => probed_finding(refusal(peer, reply, &said, false)),
        (None, _) => probed_finding(status(peer, reply)),
    }
    .map_err(|refused| refused.fault)
}

/// What an answer to a question without events says against an indexer.
///
/// # Errors
/// Why events would not be taken.
pub(crate) fn probed(peer: &str, reply: &Reply, acknowledge: bool) -> Result<(), Refused> {
    if !acknowledge {
        // "No data" is the right answer to nothing.
        let is_no_data = reply.said().is_some_and(|said| said.code == 5);
        return if is_no_data { Ok(()) } else { probed_finding(request(peer, reply, false)) };
    }
    match question(peer, reply) {
        Word::Acknowledged(_) => Ok(()),
        Word::TokenRefused(fault) => Err(Refused { fault, is_of_token: true }),
        Word::ChannelLost(fault) | Word::Halted(fault) | Word::NotNow(fault) | Word::Unheard(fault) => {
            Err(Refused { fault, is_of_token: false })
        }
    }
}

/// Why a probe does not pass.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) fault: Fault,
    pub(crate) is_of_token: bool,
}

fn probed_finding(finding: Finding) -> Result<(), Refused> {
    match finding {
        // Of an event there was none.
        Finding::EventRefused { .. } | Finding::IndexRefused { .. } | Finding::Taken { .. } => Ok(()),
        Finding::TokenRefused(fault) => Err(Refused { fault, is_of_token: true }),
        Finding::ChannelRefused(fault)
        | Finding::NotHere(fault)
        | Finding::Open(fault)
        | Finding::TakenUpTo { fault, .. }
        | Finding::TooLarge(fault) => Err(Refused { fault, is_of_token: false }),
    }
}

/// An index that all tenants share is not one that the token may write to.
pub(crate) fn index(peer: &str, reason: &str) -> Fault {
    Fault::halt(format!("failed to deliver to {peer}")).caused_by(reason.to_owned()).advise(
        "Make the index in Splunk and allow it for the token, or correct `index`; without `index` the token's own is \
         taken.",
    )
}

/// A channel is gone with what was to be acknowledged in it.
pub(crate) fn channel_lost(peer: &str) -> Fault {
    Fault::retry(format!("failed to have events acknowledged by {peer}"))
        .caused_by("the collector does not know the channel any more")
        .advise("What was not acknowledged goes again in a new channel.")
}

/// What has waited too long for its acknowledgement.
pub(crate) fn unacknowledged(peer: &str) -> Fault {
    Fault::retry(format!("failed to have events acknowledged by {peer}"))
        .caused_by("the indexer was asked for long enough and has not said so")
        .advise(
            "Look whether the indexers replicate, and whether what stands between keeps a client at one indexer \
             (sticky sessions); best name the indexers themselves in `url`.",
        )
}

fn token(peer: &str, said: &Said) -> Fault {
    let advice = match said.code {
        1 | 22 => "Enable the token in Splunk, or give another in `token`: it is read again at each attempt.",
        _ => "Correct `token`, or the token in Splunk: it is read again at each attempt.",
    };
    Fault::halt(format!("failed to be let in by {peer}")).caused_by(Cause::of(said)).advise(advice)
}

fn unacknowledging(peer: &str, cause: String) -> Fault {
    Fault::halt(format!("failed to have events acknowledged by {peer}")).caused_by(cause).advise(
        "Switch indexer acknowledgement on for this token in Splunk (`useACK`), or choose `acknowledge: false`: then a \
         record counts as delivered once the collector has taken it, and one that an indexer loses is lost.",
    )
}

fn channel_missing(peer: &str, said: &Said, acknowledge: bool) -> Fault {
    let advice = if acknowledge {
        "Something on the way takes the header X-Splunk-Request-Channel off our requests: let it pass; best name the \
         indexers themselves in `url`."
    } else {
        "This token works with indexer acknowledgement: choose `acknowledge: true`, or switch it off for the token."
    };
    Fault::halt(format!("failed to deliver to {peer}")).caused_by(Cause::of(said)).advise(advice)
}

fn channel_refused(peer: &str, said: &Said) -> Fault {
    Fault::halt(format!("failed to use a channel of {peer}"))
        .caused_by(Cause::of(said))
        .advise("Look at the limits of channels at the collector, and at what stands between.")
}

fn hinted(fault: Fault, reply: &Reply) -> Fault {
    match reply.retry_after {
        Some(wait) => fault.after(wait),
        None => fault,
    }
}

/// What the collector said, as a cause. Its text is foreign: it is cut short, and what would break a line is escaped.
#[derive(Debug)]
struct Cause {
    code: u16,
    text: String,
}

impl Cause {
    fn of(said: &Said) -> Self {
        let text: String = said.text.chars().take(TEXT_CHARS).collect();
        Self { code: said.code, text: text.escape_debug().to_string() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HEC code {}", self.code)?;
        if !self.text.is_empty() {
            write!(f, ", {}", self.text)?;
        }
        Ok(())
    }
}

impl Error for Cause {}

/// How long to ease off where the collector says that its queues fill.
pub(crate) const EASE: Duration = Duration::from_secs(1);
/// Of foreign text, what stands in a fault.
const TEXT_CHARS: usize = 200;
