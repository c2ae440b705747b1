//! Scalars against the schema.

use serde_json::Value;

use super::Walk;
use crate::later::later_value;
use crate::near::near_miss;
use crate::place::Place;
use crate::tree::{Content, Node};
use crate::written::wrong_form;

impl<'a> Walk<'a> {
    pub(super) fn scalar(&mut self, text: &str, plain: bool, schema: &'a Value, place: Place) -> Option<Value> {
        let checked = if let Some(choices) = choices(schema) {
            self.choice(text, &choices)
        } else {
            match schema.get("type").and_then(Value::as_str) {
                Some("integer") => integer(text, plain, schema),
                Some("boolean") => boolean(text, plain),
                Some("null") => Ok(Value::Null),
                _ => string(text, plain, schema),
            }
        };
        checked.map_err(|message| self.tell(place, message)).ok()
    }

    /// One word of several.
    fn choice(&self, text: &str, choices: &[&str]) -> Result<Value, String> {
        if choices.contains(&text) {
            return Ok(Value::from(text));
        }
        if let Some(message) = later_value(&self.path, text) {
            return Err(message);
        }
        if text == "china" && self.path.is("tenants.*.cloud") {
            return Err("the cloud operated by 21Vianet in China is not served: neither of Defender's APIs has a \
                        documented host there"
                .to_owned());
        }
        let several = choices.iter().copied().filter(|_| choices.len() > 1);
        let hint = near_miss(text, several).map(|near| format!("; did you mean `{near}`?"));
        Err(format!("expected {}{}", one_of(choices), hint.unwrap_or_default()))
    }
}

fn integer(text: &str, plain: bool, schema: &Value) -> Result<Value, String> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
    let number: i64 = match text.parse() {
        Ok(number) if plain => number,
        Ok(_) => return Err("expected a whole number, found text; take the quotes away".to_owned()),
        Err(_) => return Err("expected a whole number".to_owned()),
    };
    match (bound("minimum"), bound("maximum")) {
        (Some(only), Some(most)) if only == most && number != only => Err(format!("this program reads {only} alone")),
        (Some(least), _) if number < least => Err(format!("must be at least {least}")),
        (_, Some(most)) if number > most => Err(format!("must be at most {most}")),
        _ => Ok(Value::from(number)),
    }
}

fn boolean(text: &str, plain: bool) -> Result<Value, String> {
    match text {
        "true" | "True" | "TRUE" if plain => Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" if plain => Ok(Value::Bool(false)),
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" => {
            Err("expected `true` or `false`; did you mean `true`?".to_owned())
        }
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" => {
            Err("expected `true` or `false`; did you mean `false`?".to_owned())
        }
        "true" | "false" => Err("expected `true` or `false`, found text; take the quotes away".to_owned()),
        _ => Err("expected `true` or `false`".to_owned()),
    }
}

fn string(text: &str, plain: bool, schema: &Value) -> Result<Value, String> {
    let keyword = |name: &str| schema.get(name).and_then(Value::as_str);
    let format = keyword("format").unwrap_or("text");
    if format == "text" && plain && is_other_than_text(text) {
        return Err(format!("expected text, found {}; put it in quotes", kind_of_plain(text)));
    }
    match wrong_form(format, text, keyword("x-minimum"), keyword("x-maximum")) {
        // A text without a form of its own may be empty: a label's value.
        Some(_) if keyword("format").is_none() => Ok(Value::from(text)),
        Some(message) => Err(message),
        None => Ok(Value::from(text)),
    }
}

/// The words of an enumeration: `enum`, or `oneOf` with a `const` each.
pub(super) fn choices(schema: &Value) -> Option<Vec<&str>> {
    let list = |name: &str| schema.get(name).and_then(Value::as_array);
    if let Some(words) = list("enum") {
        return Some(words.iter().filter_map(Value::as_str).collect());
    }
    list("oneOf")?.iter().map(|choice| choice.get("const").and_then(Value::as_str)).collect()
}

pub(super) fn one_of(choices: &[&str]) -> String {
    match choices {
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
        [] => "nothing".to_owned(),
    }
}

/// What a schema for text wants, in words.
pub(super) fn form_in_words(schema: &Value) -> &'static str {
    match schema.get("format").and_then(Value::as_str) {
        Some("app-name" | "kafka-name" | "message-id" | "server-name") => "a name",
        Some("broker") => "a broker such as `kafka.example:9092`",
        Some("bytes") => "a size such as `8KiB`",
        Some("delimiter") => "a delimiter such as `^`",
        Some("duration") => "a duration such as `60s`",
        Some("endpoint") => "an address",
        Some("environment-variable") => "the name of an environment variable",
        Some("collector-url") => "the URL of a collector such as `https://splunk.example:8088`",
        Some("file-mode") => "permissions such as `0640`",
        Some("fingerprint") => "a fingerprint",
        Some("keep-rotated") => "a number of files or a duration",
        Some("name") => "a name",
        Some("percentage") => "a share such as `20%`",
        Some("rate") => "a rate such as `500/s`",
        Some("size") => "a size such as `4GiB`",
        Some("syslog-address") => "an address such as `tls://siem.example:6514`",
        Some("template") => "a template such as `atp-{{ tenant.name }}`",
        Some("token-url") => "a URL such as `https://login.example/oauth2/token`",
        Some("time-zone") => "a time zone",
        Some("start") => "`now`, `journal` or a duration",
        Some("uuid") => "an id such as 11111111-2222-3333-4444-555555555555",
        _ => "text",
    }
}

/// What stands there, in words that repeat nothing of it.
pub(super) fn found(node: &Node) -> &'static str {
    match &node.content {
        Content::Mapping(_) => "a mapping",
        Content::Sequence(_) => "a list",
        Content::Scalar { text, plain } if is_null(text, *plain) => "nothing",
        Content::Scalar { text, plain: true } => kind_of_plain(text),
        Content::Scalar { .. } => "text",
    }
}

/// Whether a scalar stands for nothing, by the core schema of YAML 1.2.
pub(super) fn is_null(text: &str, plain: bool) -> bool {
    plain && matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_other_than_text(text: &str) -> bool {
    kind_of_plain(text) != "text"
}

/// What a scalar without quotes is, by the core schema of YAML 1.2.
fn kind_of_plain(text: &str) -> &'static str {
    if is_null(text, true) {
        return "nothing";
    }
    if matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") {
        return "`true` or `false`";
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    let digits = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let hexadecimal = unsigned.strip_prefix("0x").is_some_and(|rest| u64::from_str_radix(rest, 16).is_ok());
    if digits && (unsigned.parse::<f64>().is_ok() || hexadecimal) { "a number" } else { "text" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scalars without quotes are what YAML 1.2 says they are; the words of YAML 1.1 are text.
    #[test]
    fn plain_scalars_have_their_kinds() {
        for (text, kind) in [
            ("", "nothing"),
            ("~", "nothing"),
            ("true", "`true` or `false`"),
            ("12", "a number"),
            ("-1.5e3", "a number"),
            ("0x1F", "a number"),
            ("1.2.3", "text"),
            ("12ab", "text"),
            ("no", "text"),
            ("-", "text"),
            (".", "text"),
            ("11111111-2222-3333-4444-555555555555", "text"),
        ] {
            assert_eq!(kind_of_plain(text), kind, "{text}");
        }
    }
}
