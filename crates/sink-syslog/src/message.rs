//! A record as a syslog message.
//!
//! What depends on the tenant alone is made once, when the composer is; a record then costs a few copies and allocates
//! nothing, once the buffer has grown to its size.

mod cut;
mod priority;
mod rfc3164;
mod rfc5424;
mod token;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod strict_parsers;
#[cfg(test)]
mod tests;

use sink::Record;

use crate::options::{Framing, Header, MessageOptions, Transport};
use crate::relp_frame;

/// Makes messages of records, as one sink's options say.
#[derive(Debug)]
pub(crate) struct Composer {
    header: HeaderWriter,
    framing: Option<Framing>,
    max_bytes: usize,
}

/// What became of a record on its way into a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Composed {
    /// The payload was longer than the message may be, and its end is missing.
    pub(crate) cut: bool,
}

impl Composer {
    /// Prepares the headers of the tenants that `options` name.
    pub(crate) fn new(options: &MessageOptions, transport: Transport) -> Self {
        let header = match options.header {
            Header::None => HeaderWriter::None,
            Header::Rfc3164 => HeaderWriter::Rfc3164(rfc3164::HeaderWriter::new(options)),
            Header::Rfc5424 => HeaderWriter::Rfc5424(rfc5424::HeaderWriter::new(options)),
        };
        let framing = match transport {
            Transport::Tcp | Transport::Tls => Some(options.framing),
            Transport::Relp | Transport::RelpTls | Transport::Udp => None,
        };
        let carried = if transport == Transport::Udp { MAX_DATAGRAM } else { usize::MAX };
        Self { header, framing, max_bytes: options.max_bytes.unwrap_or(carried).min(carried) }
    }

    /// Appends header and payload, without framing.
    ///
    /// A message longer than `max_bytes` loses the end of its payload, up to a whole character and a whole escape. The
    /// header is never cut, even where it is longer alone.
    pub(crate) fn message(&self, record: &Record, out: &mut Vec<u8>) -> Composed {
        let start = out.len();
        self.header.write(record, out);
        let payload = self.fitting_payload(record, out.len() - start);
        out.extend_from_slice(payload);
        Composed { cut: payload.len() < record.payload.len() }
    }

    /// Appends the message framed for a stream of TCP or TLS (RFC 6587); for other transports as
    /// [`Composer::message`] does.
    pub(crate) fn frame(&self, record: &Record, out: &mut Vec<u8>) -> Composed {
        match self.framing {
            None => self.message(record, out),
            Some(Framing::Lf) => self.line(record, out),
            Some(Framing::OctetCounting) => self.counted(record, out, |length, out| {
                out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
                out.push(b' ');
            }),
        }
    }

    /// Appends the message as the `syslog` command of RELP, under the transaction number `transaction`.
    pub(crate) fn relp_frame(&self, record: &Record, transaction: u32, out: &mut Vec<u8>) -> Composed {
        let composed =
            self.counted(record, out, |length, out| relp_frame::write_head(out, transaction, "syslog", length));
        out.push(b'\n');
        composed
    }

    /// Appends the message with a line feed behind it. Line feeds inside become spaces, since they would forge a
    /// message; so do carriage returns and NUL, which receivers take for an end as well (RFC 6587, section 3.4.2).
    fn line(&self, record: &Record, out: &mut Vec<u8>) -> Composed {
        let start = out.len();
        let composed = self.message(record, out);
        let mut rest = &mut out[start..];
        while let Some(place) = memchr::memchr3(b'\n', b'\r', 0, rest) {
            rest[place] = b' ';
            rest = &mut rest[place + 1..];
        }
        out.push(b'\n');
        composed
    }

    /// Appends the message behind what `prefix` appends for its length. Only the short header moves to make room; the
    /// payload is copied once, to its place.
    fn counted(&self, record: &Record, out: &mut Vec<u8>, prefix: impl FnOnce(usize, &mut Vec<u8>)) -> Composed {
        let start = out.len();
        self.header.write(record, out);
        let header_end = out.len();
        let payload = self.fitting_payload(record, header_end - start);
        prefix(header_end - start + payload.len(), out);
        let prefix_length = out.len() - header_end;
        out[start..].rotate_right(prefix_length);
        out.extend_from_slice(payload);
        Composed { cut: payload.len() < record.payload.len() }
    }

    fn fitting_payload<'r>(&self, record: &'r Record, header_length: usize) -> &'r [u8] {
        cut::beginning(&record.payload, self.max_bytes.saturating_sub(header_length))
    }
}

#[derive(Debug)]
enum HeaderWriter {
    None,
    Rfc3164(rfc3164::HeaderWriter),
    Rfc5424(rfc5424::HeaderWriter),
}

impl HeaderWriter {
    /// Appends the header with the space that ends it.
    fn write(&self, record: &Record, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Rfc3164(writer) => writer.write(record, out),
            Self::Rfc5424(writer) => writer.write(record, out),
        }
    }
}

/// The most bytes that a datagram carries over IPv4: 65,535 less the headers of IP (20) and UDP (8); RFC 768 and 791.
const MAX_DATAGRAM: usize = 65_507;
