//! An answer of the API split into rows and keyed, in one pass and without a tree.

mod json;
mod text;

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;
use fault::Fault;

use crate::feed::{Api, Row};
use crate::key::Keyer;
use crate::page::json::{Nonsense, Scalar, Scanner, Value};
use crate::ticks;
use crate::walk::Fetched;

/// A page: what a list, or a single alert, brought.
#[derive(Debug)]
pub(crate) struct Page {
    /// The rows, sorted by update time and id.
    pub(crate) rows: Vec<Fetched>,
    /// A link says that there is more. It is not followed.
    pub(crate) more: bool,
}

/// Splits an answer into rows, sorted by update time and id, and keys them. `partial` says that they came without the
/// evidence that belongs to them.
///
/// An answer is an object with the list in `value`, a bare list, or a single alert. It is whole or an error: a row of
/// a cut answer is never seen.
pub(crate) fn split(api: Api, keyer: &Keyer, body: &Bytes, partial: bool) -> Result<Page, Nonsense> {
    let bytes = body.as_ref();
    let mut answer = Answer { api, rows: Vec::new(), more: false };
    answer.read(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes))?;
    // Places are counted from behind a byte order mark.
    let mark = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    answer.rows.sort_by(Found::order);
    let fetched = |found: &Found<'_>| Fetched {
        row: Row {
            time: found.time,
            id: found.digest(keyer, partial),
            partial,
            bytes: body.slice(found.place.start + mark..found.place.end + mark),
        },
        created: found.created,
        alert: if partial { found.alert() } else { None },
    };
    Ok(Page { rows: answer.rows.iter().map(fetched).collect(), more: answer.more })
}

/// Splits an answer of an API into its rows, sorted by update time and id, and keys them for a tenant.
///
/// It reads the whole grammar of JSON in one pass, builds no tree and resolves no escape but in ids.
///
/// # Errors
/// Retry where the answer is no list of alerts, or was cut: no row of it is seen.
pub fn rows(api: Api, tenant_id: &str, body: &Bytes) -> Result<Vec<Row>, Fault> {
    let page =
        split(api, &Keyer::new(tenant_id), body, false).map_err(|error| crate::classify::api::nonsense(error).fault)?;
    Ok(page.rows.into_iter().map(|fetched| fetched.row).collect())
}

/// What is read of an answer.
struct Answer<'a> {
    api: Api,
    rows: Vec<Found<'a>>,
    more: bool,
}

/// A row, where it was found.
#[derive(Clone, Debug)]
struct Found<'a> {
    place: Range<usize>,
    bytes: &'a [u8],
    id: Scalar<'a>,
    /// What is to the id as a part is to a whole, where the id alone does not tell rows apart.
    part: Option<Scalar<'a>>,
    time: i64,
    created: Option<i64>,
}

/// The members of a row that matter.
#[derive(Default)]
struct Facts<'a> {
    id: Option<Scalar<'a>>,
    fallback_id: Option<Scalar<'a>>,
    part: Option<Scalar<'a>>,
    time: Option<Scalar<'a>>,
    created: Option<Scalar<'a>>,
}

impl<'a> Answer<'a> {
    fn read(&mut self, bytes: &'a [u8]) -> Result<(), Nonsense> {
        let mut scanner = Scanner::new(bytes);
        match scanner.peek() {
            Some(b'[') => self.list(&mut scanner, bytes)?,
            Some(b'{') => self.envelope(&mut scanner, bytes)?,
            _ => return Err(scanner.missing("an object or a list")),
        }
        if scanner.peek().is_some() { Err(scanner.missing("the end")) } else { Ok(()) }
    }

    /// A list of rows.
    fn list(&mut self, scanner: &mut Scanner<'a>, bytes: &'a [u8]) -> Result<(), Nonsense> {
        scanner.take(b'[');
        if scanner.take(b']') {
            return Ok(());
        }
        loop {
            let is_object = scanner.peek() == Some(b'{');
            let start = scanner.at();
            let mut facts = Facts::default();
            if is_object {
                self.row(scanner, &mut facts)?;
            } else {
                scanner.value()?;
            }
            self.rows.push(facts.found(start..scanner.at(), bytes));
            if scanner.take(b']') {
                return Ok(());
            }
            if !scanner.take(b',') {
                return Err(scanner.missing("a comma or the end of the list"));
            }
        }
    }

    /// One row of the list.
    fn row(&self, scanner: &mut Scanner<'a>, facts: &mut Facts<'a>) -> Result<(), Nonsense> {
        scanner.take(b'{');
        if scanner.take(b'}') {
            return Ok(());
        }
        loop {
            let name = scanner.name()?;
            let value = scanner.value()?;
            if let Value::Scalar(value) = value {
                facts.note(self.api, name, value);
            }
            match scanner.next() {
                Some(b',') => {}
                Some(b'}') => return Ok(()),
                _ => return Err(scanner.missing("a comma or the end of a row")),
            }
        }
    }

    /// An object: the list is in its `value`, or it is itself the only row.
    fn envelope(&mut self, scanner: &mut Scanner<'a>, bytes: &'a [u8]) -> Result<(), Nonsense> {
        let start = scanner.at();
        let mut facts = Facts::default();
        let mut has_list = false;
        scanner.take(b'{');
        let mut first = true;
        while !scanner.take(b'}') {
            if !first && !scanner.take(b',') {
                return Err(scanner.missing("a comma or the end of the answer"));
            }
            first = false;
            let name = scanner.name()?;
            if text::is(name, b"value") && scanner.peek() == Some(b'[') {
                has_list = true;
                self.list(scanner, bytes)?;
            } else if let Value::Scalar(value) = scanner.value()? {
                self.more |= text::is(name, b"@odata.nextLink") && !value.raw.is_empty();
                facts.note(self.api, name, value);
            }
        }
        if has_list {
            return Ok(());
        }
        if facts.id.or(facts.fallback_id).is_none() {
            return Err(Nonsense { expected: "a list of alerts", at: start });
        }
        self.rows.push(facts.found(start..scanner.at(), bytes));
        Ok(())
    }
}

impl<'a> Facts<'a> {
    /// Takes note of a member. Of several with one name the first that says something counts.
    #[inline]
    fn note(&mut self, api: Api, name: Scalar<'a>, value: Scalar<'a>) {
        if name.escaped {
            let name = text::unescape(name);
            return self.note_plain(api, &name, value);
        }
        self.note_plain(api, name.raw, value);
    }

    #[inline]
    fn note_plain(&mut self, api: Api, name: &[u8], value: Scalar<'a>) {
        // Names are told apart by length before they are compared, for nearly all are others.
        let place = match (api, name.len()) {
            (Api::MdeAlerts { .. }, 2) if name.eq_ignore_ascii_case(b"id") => &mut self.id,
            (Api::MdeAlerts { .. }, 14) if name.eq_ignore_ascii_case(b"lastUpdateTime") => &mut self.time,
            (Api::MdeAlerts { .. }, 17) if name.eq_ignore_ascii_case(b"alertCreationTime") => &mut self.created,
            (Api::AlertsExport, 6) if name.eq_ignore_ascii_case(b"FullId") => &mut self.id,
            (Api::AlertsExport, 7) if name.eq_ignore_ascii_case(b"AlertId") => &mut self.fallback_id,
            (Api::AlertsExport, 9) if name.eq_ignore_ascii_case(b"AlertPart") => &mut self.part,
            (Api::AlertsExport, 20)
                if name.eq_ignore_ascii_case(b"LastProcessedTimeUtc")
                    // As the description of the API's parameters spells it.
                    || name.eq_ignore_ascii_case(b"LastProccesedTimeUtc") =>
            {
                &mut self.time
            }
            _ => return,
        };
        if place.is_none() && text::says_something(value) {
            *place = Some(value);
        }
    }

    fn found(&self, place: Range<usize>, bytes: &'a [u8]) -> Found<'a> {
        let (id, part) = match (self.id, self.fallback_id) {
            (Some(id), _) => (Some(id), None),
            (None, Some(id)) => (Some(id), Some(self.part.unwrap_or_default())),
            (None, None) => (None, None),
        };
        let bytes = &bytes[place.clone()];
        Found {
            place,
            bytes,
            id: id.unwrap_or_default(),
            part,
            time: self.time.and_then(read_time).unwrap_or_default(),
            created: self.created.and_then(read_time),
        }
    }
}

impl Found<'_> {
    fn order(&self, other: &Self) -> Ordering {
        let part = |found: &Self| found.part.map(|part| part.raw.to_vec());
        self.time
            .cmp(&other.time)
            .then_with(|| self.id.raw.cmp(other.id.raw))
            .then_with(|| part(self).cmp(&part(other)))
    }

    fn digest(&self, keyer: &Keyer, partial: bool) -> [u8; 16] {
        if self.id.raw.is_empty() {
            // Nothing names it but itself.
            return keyer.digest(&[self.bytes], self.time, partial);
        }
        let id = text::unescape(self.id);
        match self.part {
            Some(part) => keyer.digest(&[&id, b":", &text::unescape(part)], self.time, partial),
            None => keyer.digest(&[&id], self.time, partial),
        }
    }

    /// The alert's id, where it has one that a path can carry.
    fn alert(&self) -> Option<String> {
        String::from_utf8(text::unescape(self.id).into_owned())
            .ok()
            .filter(|id| !matches!(id.as_str(), "" | "." | ".."))
    }
}

fn read_time(text: Scalar<'_>) -> Option<i64> {
    ticks::parse(&text::unescape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MDE: Api = Api::MdeAlerts { expand_evidence: true };

    fn split_text(api: Api, body: &str) -> Result<Vec<Fetched>, Nonsense> {
        split_bytes(api, body.as_bytes())
    }

    fn split_bytes(api: Api, body: &[u8]) -> Result<Vec<Fetched>, Nonsense> {
        let keyer = Keyer::new("11111111-2222-3333-4444-555555555555");
        split(api, &keyer, &Bytes::copy_from_slice(body), false).map(|page| page.rows)
    }

    fn alert(id: &str, second: u32) -> String {
        format!(
            r#"{{"id":"{id}","lastUpdateTime":"2020-07-20T10:53:{second:02}.19Z","alertCreationTime":"2020-07-20T10:00:00Z"}}"#
        )
    }

    /// Guarantee: every form in which these APIs have been seen to answer gives its rows, byte for byte and sorted.
    #[test]
    fn the_tolerant_forms_are_read() {
        let (one, two) = (alert("da1_1", 50), alert("da2_2", 40));
        let bodies = [
            format!(r#"{{"@odata.context":"https://x/$metadata#Alerts","value":[{one},{two}]}}"#),
            format!(" {{ \"value\" : [ {one} ,\n{two} ] , \"after\":{{\"id\":\"no\"}} }} "),
            format!("[{one},{two}]"),
            format!("\u{feff}[{one},{two}]"),
        ];
        for body in bodies {
            let rows = split_text(MDE, &body).unwrap();
            assert_eq!(rows.len(), 2, "{body}");
            assert_eq!(rows[0].row.bytes, two);
            assert_eq!(rows[1].row.bytes, one);
            assert_eq!(rows[1].row.time, 637_308_392_301_900_000);
            assert_eq!(rows[1].created, ticks::parse(b"2020-07-20T10:00:00Z"));
        }
        assert_eq!(split_text(MDE, &one).unwrap()[0].row.bytes, one);
        assert!(split_text(MDE, "[]").unwrap().is_empty());
        assert!(split_text(MDE, r#"{"value":[]}"#).unwrap().is_empty());
    }

    /// Guarantee: a link is noticed, and only at the top.
    #[test]
    fn a_link_says_that_there_is_more() {
        let more = |body: &str| {
            let keyer = Keyer::new("t");
            split(MDE, &keyer, &Bytes::copy_from_slice(body.as_bytes()), false).unwrap().more
        };
        assert!(more(r#"{"value":[],"@odata.nextLink":"https://evil.example/?=10000"}"#));
        assert!(!more(r#"{"value":[{"@odata.nextLink":"https://x"}]}"#));
        assert!(!more(r#"{"value":[],"@odata.nextLink":null}"#));
    }

    /// Guarantee: what is no whole answer gives an error and never a row.
    #[test]
    fn cut_and_nonsense_bodies_give_no_row() {
        let body = format!(r#"{{"value":[{},{}]}}"#, alert("da1_1", 1), alert("da2_2", 2));
        for length in 0..body.len() {
            assert!(split_text(MDE, &body[..length]).is_err(), "cut to {length}");
        }
        let odd = [
            "<html></html>",
            "null",
            "{}",
            r#"{"error":{"code":"x","message":"y"}}"#,
            r#"{"value":null}"#,
            "[1,]",
            "[] []",
        ];
        for body in odd {
            assert!(split_text(MDE, body).is_err(), "{body}");
        }
    }

    /// Guarantee: hostile content never blocks the page it is in.
    #[test]
    fn hostile_rows_are_rows() {
        let surrogate = r#"{"id":"da\ud83d_1","lastUpdateTime":"2020-07-20T10:53:50.19Z","x\udc00":"\ud83d"}"#;
        let deep =
            format!(r#"{{"id":"a","e":{}{}}}"#, r#"[{"id":"#.repeat(20_000), "1".to_owned() + &"}]".repeat(20_000));
        let large = format!(r#"{{"id":"b","title":"{}"}}"#, "x".repeat(16 << 20));
        let invalid = b"{\"id\":\"c\",\"title\":\"\xFF\xFE\"}".to_vec();
        let body = [surrogate.as_bytes(), deep.as_bytes(), large.as_bytes(), &invalid, b"null", b"17"].join(&b","[..]);
        let rows = split_bytes(MDE, &[b"[", &body[..], b"]"].concat()).unwrap();
        assert_eq!(rows.len(), 6);
        assert!(rows.iter().any(|row| row.row.bytes == deep) && rows.iter().any(|row| row.row.bytes == invalid));
        let keyer = Keyer::new("11111111-2222-3333-4444-555555555555");
        let expected = keyer.digest(&["da\u{FFFD}_1".as_bytes()], 637_308_392_301_900_000, false);
        assert!(rows.iter().any(|row| row.row.id == expected));
    }

    /// Guarantee: only the row's own members name it, in any case, the first that says something.
    #[test]
    fn nested_and_repeated_names_are_not_mistaken() {
        let keyer = Keyer::new("11111111-2222-3333-4444-555555555555");
        let body = r#"[{"evidence":[{"id":"inner","lastUpdateTime":"2020-01-01T00:00:00Z"}],"id":null,"id":"","ID":"outer","id":"late","\u006castUpdateTime":"2020-07-20T10:53:50.19Z","lastUpdateTime":5}]"#;
        let rows = split_text(MDE, body).unwrap();
        assert_eq!(rows[0].row.time, 637_308_392_301_900_000);
        assert_eq!(rows[0].row.id, keyer.digest(&[b"outer"], 637_308_392_301_900_000, false));
    }

    /// Guarantee: rows of the export are told apart by `FullId`, else by alert and part.
    #[test]
    fn rows_of_the_export_are_keyed_by_their_own_id() {
        let keyer = Keyer::new("11111111-2222-3333-4444-555555555555");
        let body = r#"[{"AlertId":"da1_1","AlertPart":3,"LastProccesedTimeUtc":"2020-07-20T10:53:50.19Z"},
            {"AlertId":"da1_1","FullId":"da1_1:xyz","LastProcessedTimeUtc":"2020-07-20T10:53:51Z"}]"#;
        let rows = split_text(Api::AlertsExport, body).unwrap();
        assert_eq!(rows[0].row.id, keyer.digest(&[b"da1_1:3"], 637_308_392_301_900_000, false));
        assert_eq!(rows[1].row.id, keyer.digest(&[b"da1_1:xyz"], rows[1].row.time, false));
    }

    /// Guarantee: rows without a time or an id are delivered under time 0, each under a key of its own.
    #[test]
    fn rows_without_time_or_id_have_keys() {
        let rows = split_text(
            MDE,
            r#"[{"title":"a"},{"title":"b","lastUpdateTime":"soon"},{"id":"c","lastUpdateTime":null}]"#,
        )
        .unwrap();
        assert!(rows.iter().all(|row| row.row.time == 0));
        assert_ne!(rows[0].row.id, rows[1].row.id);
    }
}
