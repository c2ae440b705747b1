//! The cookies by which a load balancer keeps a client at one indexer.

use hyper::HeaderMap;
use hyper::header::{HeaderValue, SET_COOKIE};

/// The cookies of one connection. Everything but name and value is left aside: they go to one endpoint only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Jar {
    cookies: Vec<(String, String)>,
}

impl Jar {
    /// Takes the cookies of an answer. Whether one is new or another than before.
    pub(crate) fn take(&mut self, headers: &HeaderMap) -> bool {
        let mut changed = false;
        for header in headers.get_all(SET_COOKIE) {
            let Some((name, value)) = header.to_str().ok().and_then(name_and_value) else { continue };
            let has_room = self.cookies.len() < MOST;
            match self.cookies.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) if known == value => {}
                Some((_, known)) => {
                    value.clone_into(known);
                    changed = true;
                }
                None if has_room => {
                    self.cookies.push((name.to_owned(), value.to_owned()));
                    changed = true;
                }
                None => {}
            }
        }
        changed
    }

    /// The `Cookie` header (RFC 6265, section 4.2.1), where there are cookies.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { HeaderValue::try_from(pairs.join("; ")).ok() }
    }
}

fn name_and_value(header: &str) -> Option<(&str, &str)> {
    let (name, value) = header.split(';').next()?.split_once('=')?;
    let name = name.trim();
    (!name.is_empty()).then_some((name, value.trim()))
}

/// More than any load balancer sets; a server must not fill our memory.
const MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn take(jar: &mut Jar, cookies: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        jar.take(&headers)
    }

    /// Guarantee: a cookie that says something else is noticed, and one that is said again is not.
    #[test]
    fn a_changed_cookie_is_noticed() {
        let mut jar = Jar::default();
        assert_eq!(jar.header(), None);
        assert!(take(&mut jar, &["AWSELB=one; PATH=/; MAX-AGE=60", "other = 2"]));
        assert_eq!(jar.header().unwrap(), "AWSELB=one; other=2");
        assert!(!take(&mut jar, &["AWSELB=one;PATH=/", "no pair", "=none"]));
        assert!(!take(&mut jar, &[]));
        assert!(take(&mut jar, &["AWSELB=two"]));
        assert_eq!(jar.header().unwrap(), "AWSELB=two; other=2");
    }
}
