//! A snapshot as the text of OpenMetrics 1.0, each metric a line of a table.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::snapshot::{Condition, DeadLetters, Feed, JournalSpace, Sink, Snapshot};

/// The text's media type (OpenMetrics 1.0, "Overall Structure").
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of a snapshot.
pub(crate) fn text(snapshot: Snapshot) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a string takes all");
    text
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encode(&mut encoder, &SINK, &self.sinks)?;
        encode(&mut encoder, &DEAD_LETTERS, &by_name(&self.dead_letters))?;
        encode(&mut encoder, &FEED, &self.feeds)?;
        encode(&mut encoder, &JOURNAL, &[self.journal])
    }
}

/// One series for each name: the same series twice would spoil the whole scrape.
fn by_name(dead_letters: &[DeadLetters]) -> Vec<DeadLetters> {
    let mut sums: BTreeMap<&str, DeadLetters> = BTreeMap::new();
    for letters in dead_letters {
        let sum = sums.entry(&letters.sink).or_default();
        sum.sink.clone_from(&letters.sink);
        sum.kept += letters.kept;
        sum.replaying += letters.replaying;
    }
    sums.into_values().collect()
}

/// A metric of things of one kind.
struct Metric<T> {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&T) -> u64,
}

enum Kind {
    /// It only grows; its name gets `_total`.
    Counter,
    /// A number of things.
    Gauge,
    /// A number of bytes; its name gets `_bytes`.
    Bytes,
}

/// What tells things of one kind apart.
trait Labelled {
    fn labels(&self) -> Vec<(&'static str, &str)>;
}

fn encode<T: Labelled>(encoder: &mut DescriptorEncoder<'_>, metrics: &[Metric<T>], things: &[T]) -> fmt::Result {
    for Metric { name, help, kind, value } in metrics {
        let unit = matches!(kind, Kind::Bytes).then_some(&Unit::Bytes);
        let mut family = encoder.encode_descriptor(name, help, unit, kind.openmetrics())?;
        for thing in things {
            let labels = thing.labels();
            if labels.is_empty() {
                kind.encode(value(thing), &mut family)?;
            } else {
                kind.encode(value(thing), &mut family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

impl Kind {
    fn openmetrics(&self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Bytes | Self::Gauge => MetricType::Gauge,
        }
    }

    fn encode(&self, value: u64, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
            Self::Bytes | Self::Gauge => encoder.encode_gauge(&value),
        }
    }
}

impl Labelled for Sink {
    fn labels(&self) -> Vec<(&'static str, &str)> {
        vec![("sink", &self.name)]
    }
}

impl Labelled for DeadLetters {
    fn labels(&self) -> Vec<(&'static str, &str)> {
        vec![("sink", &self.sink)]
    }
}

impl Labelled for Feed {
    fn labels(&self) -> Vec<(&'static str, &str)> {
        vec![("tenant", &self.tenant), ("source", &self.source)]
    }
}

impl Labelled for JournalSpace {
    fn labels(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }
}

const PREFIX: &str = "atp";

const fn counter<T>(name: &'static str, help: &'static str, value: fn(&T) -> u64) -> Metric<T> {
    Metric { name, help, kind: Kind::Counter, value }
}

const fn gauge<T>(name: &'static str, help: &'static str, value: fn(&T) -> u64) -> Metric<T> {
    Metric { name, help, kind: Kind::Gauge, value }
}

const fn bytes<T>(name: &'static str, help: &'static str, value: fn(&T) -> u64) -> Metric<T> {
    Metric { name, help, kind: Kind::Bytes, value }
}

const SINK: [Metric<Sink>; 6] = [
    counter("sink_delivered", "Alert revisions that the destination has taken.", |sink| sink.delivered),
    counter("sink_filtered", "Alert revisions that the filter of the sink left out.", |sink| sink.filtered),
    counter("sink_set_aside", "Alert revisions that were refused and became dead letters.", |sink| sink.set_aside),
    gauge("sink_backlog", "Alert revisions that the sink has still to account for.", |sink| sink.backlog),
    gauge("sink_halted", "1 while the sink needs a person.", |sink| is(sink.condition, Condition::Halted)),
    gauge("sink_waiting", "1 while the sink tries again by itself.", |sink| is(sink.condition, Condition::Waiting)),
];

const DEAD_LETTERS: [Metric<DeadLetters>; 2] = [
    gauge("sink_dead_letters", "Dead letters in the journal.", |letters| letters.kept),
    gauge("sink_dead_letters_replaying", "Dead letters that wait to be sent again.", |letters| letters.replaying),
];

const FEED: [Metric<Feed>; 5] = [
    counter("feed_rows", "Rows that the API has sent, those seen before among them.", |feed| feed.rows),
    counter("feed_revisions", "Alert revisions that were new.", |feed| feed.revisions),
    gauge("feed_owed", "Spans and ids that the API shows but does not give.", |feed| feed.owed),
    gauge("feed_halted", "1 while the feed needs a person.", |feed| is(feed.condition, Condition::Halted)),
    gauge("feed_waiting", "1 while the feed tries again by itself.", |feed| is(feed.condition, Condition::Waiting)),
];

const JOURNAL: [Metric<JournalSpace>; 3] = [
    bytes("journal_used", "Bytes of the journal on disk.", |journal| journal.used_bytes),
    bytes("journal_max", "Bytes that the journal may use.", |journal| journal.max_bytes),
    gauge("journal_full", "1 while the journal refuses new alerts.", |journal| journal.is_full.into()),
];

fn is(condition: Condition, asked: Condition) -> u64 {
    (condition == asked).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(sink: &str, kept: u64, replaying: u64) -> DeadLetters {
        DeadLetters { sink: sink.into(), kept, replaying }
    }

    fn snapshot() -> Snapshot {
        let sink = |name: &str, condition| Sink {
            name: name.into(),
            delivered: 7,
            filtered: 2,
            set_aside: 3,
            backlog: u64::MAX,
            condition,
        };
        let feed = |tenant: &str, condition| Feed {
            tenant: tenant.into(),
            source: "alerts".into(),
            rows: 12,
            revisions: 10,
            owed: 1,
            condition,
        };
        Snapshot {
            sinks: vec![sink("siem", Condition::Halted), sink("archive", Condition::Well)],
            dead_letters: vec![letters("siem", 3, 1), letters("gone", 5, 0)],
            feeds: vec![feed("contoso", Condition::Well), feed("fabrikam", Condition::Waiting)],
            journal: JournalSpace { used_bytes: 1 << 20, max_bytes: 4 << 30, is_full: false },
        }
    }

    /// Guarantee: the whole text, for whoever builds dashboards on its names.
    #[test]
    fn a_snapshot_is_this_text() {
        insta::assert_snapshot!(text(snapshot()));
    }

    /// Guarantee: sinks that have left the file under one name are one series.
    #[test]
    fn letters_of_one_name_are_one_series() {
        let dead_letters = vec![letters("siem", 3, 1), letters("gone", 5, 0), letters("siem", 4, 4)];
        assert_eq!(by_name(&dead_letters), [letters("gone", 5, 0), letters("siem", 7, 5)]);
    }

    /// Guarantee: no name forges a label or a line.
    #[test]
    fn names_are_escaped() {
        let name = "a\"} 1\n# EOF\n\\";
        let text = text(Snapshot { dead_letters: vec![letters(name, 1, 0)], ..Snapshot::default() });
        assert!(text.contains(r#"atp_sink_dead_letters{sink="a\"} 1\n# EOF\n\\"} 1"#), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("# EOF")).count(), 1, "{text}");
    }
}
