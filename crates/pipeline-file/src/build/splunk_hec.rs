//! Splunk's HTTP Event Collector.

use std::collections::BTreeMap;

use url::Url;

use super::Build;
use super::sinks::ForMessages;
use super::syslog::in_words;
use crate::faults::Told;
use crate::file::{Plaintext, SplunkHec, defaults};
use crate::place::KeyPath;
use crate::plan::{DestinationPlan, FormatPlan, SplunkHecPlan, TenantPlan};
use crate::template::{Template, TemplateText};
use crate::tree::Content;
use crate::written::{CollectorUrl, OneOrSeveral, Written, is_loopback};

impl Build<'_> {
    /// The collector of a sink that gets these tenants' alerts in this format.
    pub(super) fn splunk_hec(
        &mut self,
        hec: SplunkHec,
        messages: ForMessages,
        format: Option<&FormatPlan>,
        tenants: &[&TenantPlan],
        sink: &KeyPath,
    ) -> Result<DestinationPlan, Told> {
        let path = sink.key("splunk_hec");
        if messages.max_bytes.is_some() {
            self.tell(&sink.key("max_bytes"), "the collector has `max_content` instead; it is for the other sinks");
        }
        let urls = self.collectors(hec.url, &path.key("url"));
        let token =
            self.required(hec.token, &path.key("token")).and_then(|token| self.secret(&token, &path.key("token")));
        let acknowledge = self.required(hec.acknowledge, &path.key("acknowledge"));
        let index = self.filled(hec.index, None, index_name, tenants, &path.key("index"));
        let source = self.filled(hec.source, Some(defaults::HEC_SOURCE), word, tenants, &path.key("source"));
        let is_json = matches!(format, Some(FormatPlan::Json { .. }));
        let sourcetype = is_json.then_some(defaults::HEC_SOURCETYPE);
        let sourcetype = self.filled(hec.sourcetype, sourcetype, word, tenants, &path.key("sourcetype"));
        let host = self.filled(messages.host, None, word, tenants, &sink.key("host"));
        let tls = hec.tls.unwrap_or_default();
        let identity = tls.cert.zip(tls.key).map(|(cert, key)| (self.resolved(&cert.0), self.resolved(&key.0)));
        Ok(DestinationPlan::SplunkHec(Box::new(SplunkHecPlan {
            urls: urls?,
            token: token?,
            acknowledge: acknowledge?,
            indexes: index?,
            sources: source?,
            sourcetypes: sourcetype?,
            hosts: host?,
            gzip: hec.gzip.unwrap_or(true),
            max_content: hec.max_content.map_or(defaults::HEC_MAX_CONTENT, |bytes| bytes.0),
            connections: hec.connections.unwrap_or(defaults::HEC_CONNECTIONS),
            ca: tls.ca.map(|file| self.resolved(&file.0)),
            identity,
        })))
    }

    fn collectors(
        &mut self,
        written: Option<OneOrSeveral<Written<CollectorUrl>>>,
        path: &KeyPath,
    ) -> Result<Vec<Url>, Told> {
        Ok(self.required(written, path)?.0.into_iter().map(|url| url.0).collect())
    }

    /// What goes over plain http to another machine, its token included, can be read on the way: only who says so may.
    pub(super) fn check_plaintext(&mut self, said: Option<Plaintext>, hec: Option<&SplunkHec>, sink: &KeyPath) {
        let path = sink.key("splunk_hec").key("url");
        let urls = hec.and_then(|hec| hec.url.as_ref()).map_or(&[][..], |urls| &urls.0);
        let is_plain = |url: &Url| url.scheme() == "http" && !is_loopback(url);
        match said {
            Some(Plaintext::Accept) => {
                let guessed = hec.is_some() && (urls.is_empty() || self.items(&path) != urls.len());
                if !guessed && !urls.iter().any(|url| is_plain(&url.0)) {
                    self.tell(&sink.key("plaintext"), "nothing of this sink goes over plain http");
                }
            }
            None if self.entry_of(&sink.key("plaintext")).is_some() => {}
            None => {
                let whole = self.items(&path) == urls.len() && !self.is_one(&path);
                for (index, _) in urls.iter().enumerate().filter(|(_, url)| is_plain(&url.0)) {
                    let path = if whole { path.item(index) } else { path.clone() };
                    self.tell(
                        &path,
                        "plain http shows alerts and token to everybody on the way; write https://, or \
                         `plaintext: accept` beside `splunk_hec`",
                    );
                }
            }
        }
    }

    /// How many values were written, those with faults included.
    pub(super) fn items(&self, path: &KeyPath) -> usize {
        match self.entry_of(path).map(|node| &node.content) {
            Some(Content::Sequence(items)) => items.len(),
            Some(_) => 1,
            None => 0,
        }
    }

    fn is_one(&self, path: &KeyPath) -> bool {
        !matches!(self.entry_of(path).map(|node| &node.content), Some(Content::Sequence(_)))
    }

    /// A word of the envelope for each tenant; for none where nothing is written and there is no default. Tenants with
    /// the same trouble share a fault.
    fn filled(
        &mut self,
        written: Option<Written<TemplateText>>,
        default: Option<&str>,
        check: fn(String) -> Result<String, String>,
        tenants: &[&TenantPlan],
        path: &KeyPath,
    ) -> Result<BTreeMap<String, String>, Told> {
        let default = || default.map(|text| Template::read(text).expect("the default is a template"));
        let Some(template) = written.map(|written| written.0).or_else(default) else {
            return Ok(BTreeMap::new());
        };
        let mut words = BTreeMap::new();
        let mut troubles: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for tenant in tenants {
            match template.fill(tenant).and_then(check) {
                Ok(word) => drop(words.insert(tenant.name.clone(), word)),
                Err(trouble) => troubles.entry(trouble).or_default().push(&tenant.name),
            }
        }
        let mut told = Ok(words);
        for (trouble, tenants) in troubles {
            told = Err(self.tell(path, format!("for {}: {trouble}", in_words(&tenants))));
        }
        told
    }
}

/// A source, source type or host: any short text.
fn word(text: String) -> Result<String, String> {
    const LONGEST: usize = 255;
    match text.len() {
        0 => Err("it becomes empty".to_owned()),
        1..=LONGEST if !text.chars().any(char::is_control) => Ok(text),
        _ => Err(format!("expected at most {LONGEST} bytes without control characters")),
    }
}

/// The name of an index ("Create events indexes" in Splunk's Managing Indexers).
fn index_name(text: String) -> Result<String, String> {
    const LONGEST: usize = 80;
    let is_inside = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let begins = text.bytes().next().is_some_and(|first| is_inside(first) && !matches!(first, b'_' | b'-'));
    if begins && text.bytes().all(is_inside) && text.len() <= LONGEST {
        return Ok(text);
    }
    Err("it becomes no name of an index: lower-case letters, digits, `_` and `-`, the first a letter or digit"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Splunk takes for the name of an index passes, and nothing else does.
    #[test]
    fn names_of_indexes_are_those_of_splunk() {
        for good in ["main", "edr_contoso", "0-a", "a"] {
            assert_eq!(index_name(good.to_owned()).as_deref(), Ok(good));
        }
        for wrong in ["", "_internal", "-a", "Main", "a b", "a.b", "ä", "a\n", &"a".repeat(81)] {
            assert!(index_name(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }
}
