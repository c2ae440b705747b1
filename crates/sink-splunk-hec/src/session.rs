//! What a request says of itself so that the indexer knows its acknowledgements: the channel, and the cookies of what
//! stands before the indexer.

use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::HeaderValue;

use crate::cookies::Jar;

/// A channel as it is asked with, under some cookies. Ids of acknowledgements count from 0 in each channel of each
/// indexer: only together with this do they name a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// A name that nobody has used before; none where no acknowledgements are asked for.
    pub(crate) channel: Option<HeaderValue>,
    pub(crate) cookies: Option<HeaderValue>,
}

/// The sessions of one connection, one after the other.
#[derive(Debug)]
pub(crate) struct Sessions {
    acknowledge: bool,
    jar: Jar,
    current: Arc<Session>,
    /// The first answer brings the cookies; later ones may change them.
    answered: bool,
}

/// What an answer said of the session it came in.
#[derive(Debug)]
pub(crate) struct Seen {
    /// By what the request that was answered can be asked for.
    pub(crate) session: Arc<Session>,
    /// The session that ended by it: another indexer may answer from now on.
    pub(crate) ended: Option<Arc<Session>>,
}

impl Sessions {
    pub(crate) fn new(acknowledge: bool) -> Self {
        let current = Arc::new(Session { channel: acknowledge.then(new_channel), cookies: None });
        Self { acknowledge, jar: Jar::default(), current, answered: false }
    }

    pub(crate) fn current(&self) -> &Arc<Session> {
        &self.current
    }

    /// Goes on in a channel of its own.
    pub(crate) fn renew(&mut self) {
        let channel = self.acknowledge.then(new_channel);
        self.current = Arc::new(Session { channel, cookies: self.jar.header() });
    }

    /// Looks at the cookies of an answer.
    pub(crate) fn see(&mut self, headers: &HeaderMap) -> Seen {
        let was_answered = std::mem::replace(&mut self.answered, true);
        let before = Arc::clone(&self.current);
        if !self.jar.take(headers) {
            return Seen { session: before, ended: None };
        }
        // The request went out in the channel of before, but whoever answered it is found by the new cookies.
        let answering = Arc::new(Session { channel: before.channel.clone(), cookies: self.jar.header() });
        if was_answered {
            self.renew();
            Seen { session: answering, ended: Some(before) }
        } else {
            self.current = Arc::clone(&answering);
            Seen { session: answering, ended: None }
        }
    }
}

/// A random UUID (RFC 9562, section 5.4): it must be new, and nobody gains by guessing it.
fn new_channel() -> HeaderValue {
    let bits = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    HeaderValue::try_from(parts.join("-")).expect("hexadecimal digits and hyphens fit into a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(hyper::header::SET_COOKIE, HeaderValue::from_static(text))])
    }

    /// Guarantee: the first cookies belong to the session; other ones end it, and what was answered by them is asked
    /// for in the old channel with the new cookies.
    #[test]
    fn changed_cookies_end_a_session() {
        let mut sessions = Sessions::new(true);
        let channel = sessions.current().channel.clone();
        let first = sessions.see(&cookies("lb=1"));
        assert!(first.ended.is_none());
        assert_eq!(sessions.current(), &first.session);
        assert_eq!(first.session.channel, channel);
        let again = sessions.see(&cookies("lb=1"));
        assert!(again.ended.is_none());
        let moved = sessions.see(&cookies("lb=2"));
        assert_eq!(moved.ended.unwrap(), first.session);
        assert_eq!(
            (&moved.session.channel, moved.session.cookies.as_ref().unwrap()),
            (&channel, &"lb=2".parse().unwrap())
        );
        assert_ne!(sessions.current().channel, channel, "a new indexer gets a new channel");
        assert_eq!(sessions.current().cookies, moved.session.cookies);
    }

    /// Guarantee: a channel has the form of a UUID of version 4, and no two are equal.
    #[test]
    fn channels_are_uuids() {
        let text = |channel: HeaderValue| channel.to_str().unwrap().to_owned();
        let (one, two) = (text(new_channel()), text(new_channel()));
        assert_ne!(one, two);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&one[14..15], "4");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "{one}");
    }

    #[test]
    fn without_acknowledgement_there_is_no_channel() {
        assert_eq!(Sessions::new(false).current().channel, None);
    }
}
