//! A dead letter as people and programs read it.

use chrono::{DateTime, SecondsFormat, Utc};
use journal::{DeadLetterCount, StoredDeadLetter};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::lane::time;

/// A dead letter as it is shown.
pub(super) struct Shown {
    number: i64,
    sink: String,
    tenant: String,
    source: String,
    set_aside: String,
    updated: String,
    record_id: String,
    reason: String,
    replaying: bool,
    alert: String,
}

impl Shown {
    pub(super) fn new(sink: &str, tenant: String, letter: &StoredDeadLetter) -> Self {
        let set_aside: DateTime<Utc> = letter.at.into();
        Self {
            number: letter.id,
            sink: sink.to_owned(),
            tenant,
            source: letter.entry.feed.name.source.clone(),
            set_aside: set_aside.to_rfc3339_opts(SecondsFormat::Secs, true),
            updated: time(letter.entry.key.time).to_rfc3339_opts(SecondsFormat::Millis, true),
            record_id: letter.entry.key.id.iter().map(|byte| format!("{byte:02x}")).collect(),
            reason: letter.reason.clone(),
            replaying: letter.replaying,
            alert: String::from_utf8_lossy(&letter.entry.bytes).into_owned(),
        }
    }

    /// One line of JSON; with the alert as the API sent it where it is asked for.
    pub(super) fn json(&self, with_alert: bool) -> String {
        let Self { number, sink, tenant, source, set_aside, updated, record_id, reason, replaying, alert } = self;
        let line = json!({
            "number": number, "sink": sink, "tenant": tenant, "source": source, "set_aside": set_aside,
            "updated": updated, "record_id": record_id, "reason": reason, "replaying": replaying,
        });
        let line = line.to_string();
        if !with_alert {
            return line;
        }
        // An alert that is no JSON at all is one of the reasons to be here: it is shown as text.
        let alert = match serde_json::from_str::<&RawValue>(alert) {
            Ok(raw) => raw.get().to_owned(),
            Err(_) => Value::from(alert.as_str()).to_string(),
        };
        format!("{},\"alert\":{alert}}}", line.strip_suffix('}').unwrap_or(&line))
    }

    /// All there is to say of it, and the alert.
    pub(super) fn page(&self) -> String {
        let rows = [
            ("number", self.number.to_string()),
            ("sink", self.sink.clone()),
            ("tenant", self.tenant.clone()),
            ("source", self.source.clone()),
            ("set aside", self.set_aside.clone()),
            ("updated", self.updated.clone()),
            ("record id", self.record_id.clone()),
            ("reason", printable(&self.reason)),
            ("replaying", if self.replaying { "by the next run".to_owned() } else { "no".to_owned() }),
        ];
        let lines: String = rows.iter().map(|(name, value)| format!("{name:<10} {value}\n")).collect();
        format!("{lines}\n{}\n", printable(&self.alert))
    }
}

/// A line for each letter, in columns.
pub(super) fn table(letters: &[Shown]) -> String {
    if letters.is_empty() {
        return String::new();
    }
    let head = ["NUMBER", "SINK", "FEED", "SET ASIDE", "REASON"].map(str::to_owned);
    let row = |letter: &Shown| {
        let mark = if letter.replaying { "(to be replayed) " } else { "" };
        let feed = format!("{}/{}", letter.tenant, letter.source);
        let reason = format!("{mark}{}", printable(&letter.reason));
        [letter.number.to_string(), letter.sink.clone(), feed, letter.set_aside.clone(), reason]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(letters.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 4] = [width(0), width(1), width(2), width(3)];
    let mut table = String::new();
    for row in rows {
        for (text, width) in row.iter().zip(widths) {
            table.push_str(&format!("{text:<width$}  "));
        }
        table.push_str(&row[4]);
        table.push('\n');
    }
    table
}

/// How many there are, sink by sink, and how many of them were listed.
pub(super) fn summary(lanes: &[DeadLetterCount], listed: usize) -> String {
    let all: u64 = lanes.iter().map(|lane| lane.kept).sum();
    let mut lines = String::new();
    for lane in lanes.iter().filter(|lane| lane.kept > 0) {
        lines.push_str(&format!("{}: {}", lane.lane.name, letters(lane.kept)));
        if lane.replaying > 0 {
            lines.push_str(&format!(", {} of them to be replayed", lane.replaying));
        }
        lines.push_str(if lane.in_plan { "\n" } else { "; it has left the file\n" });
    }
    match all {
        0 => "no dead letters\n".to_owned(),
        _ if all > listed as u64 => format!("{lines}{listed} are listed; `--limit` lists more\n"),
        _ => lines,
    }
}

/// A count of letters in words.
pub(super) fn letters(count: u64) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}

/// Text that came from outside, without what would move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use journal::{Lane, LaneId};

    use super::*;

    fn letter(number: i64, reason: &str, alert: &str) -> Shown {
        Shown {
            number,
            sink: "siem".to_owned(),
            tenant: "contoso".to_owned(),
            source: "alerts".to_owned(),
            set_aside: "2026-01-31T00:00:00Z".to_owned(),
            updated: "2026-01-30T23:59:59.123Z".to_owned(),
            record_id: "00ff".to_owned(),
            reason: reason.to_owned(),
            replaying: number > 9,
            alert: alert.to_owned(),
        }
    }

    fn count(name: &str, in_plan: bool, kept: u64, replaying: u64) -> DeadLetterCount {
        DeadLetterCount { lane: Lane { id: LaneId(1), name: name.to_owned() }, in_plan, kept, replaying }
    }

    /// Guarantee: the table is aligned, and what an alert or an answer brought cannot play with the terminal.
    #[test]
    fn letters_stand_in_columns() {
        let table = table(&[letter(1, "too long", "{}"), letter(12, "\u{1b}[2Jtoo\nlong", "{}")]);
        assert_eq!(
            table,
            "NUMBER  SINK  FEED            SET ASIDE             REASON\n\
             1       siem  contoso/alerts  2026-01-31T00:00:00Z  too long\n\
             12      siem  contoso/alerts  2026-01-31T00:00:00Z  (to be replayed) \u{fffd}[2Jtoo\u{fffd}long\n"
        );
    }

    /// Guarantee: the summary tells sinks apart, and says what was not listed.
    #[test]
    fn the_summary_counts_all() {
        let lanes = [count("siem", true, 3, 1), count("quiet", true, 0, 0), count("old", false, 1, 0)];
        let text = "siem: 3 dead letters, 1 of them to be replayed\nold: 1 dead letter; it has left the file\n";
        assert_eq!(summary(&lanes, 4), text);
        assert_eq!(summary(&lanes, 2), format!("{text}2 are listed; `--limit` lists more\n"));
        assert_eq!(summary(&lanes[1..2], 0), "no dead letters\n");
    }

    /// Guarantee: a program reads one line of JSON, with the alert byte for byte where it is JSON, and as text where it
    /// is none.
    #[test]
    fn json_is_json() {
        let raw = r#"{"title": "\ud800 x"}"#;
        let line = letter(1, "say \"no\"", raw).json(true);
        assert!(line.ends_with(&format!(",\"alert\":{raw}}}")), "{line}");
        for alert in ["{\"a\":1}", "{\"a\":", ""] {
            let line = letter(1, "r", alert).json(true);
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!((value["number"].as_i64(), value["alert"].is_null()), (Some(1), false), "{line}");
        }
        let value: Value = serde_json::from_str(&letter(1, "r", "{}").json(false)).unwrap();
        assert!(value.get("alert").is_none());
    }
}
