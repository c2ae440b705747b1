//! A snapshot as the text of OpenMetrics 1.0, each metric a line of a table.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::snapshot::{Buffer, Condition, DeadLetters, Shard, Sink, Snapshot, Source};

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
        let guarantees: Vec<Guarantee> = self.sinks.iter().filter_map(Guarantee::of).collect();
        encode(&mut encoder, &SINK, &self.sinks)?;
        encode(&mut encoder, &GUARANTEE, &guarantees)?;
        encode(&mut encoder, &DEAD_LETTERS, &by_name(&self.dead_letters))?;
        encode(&mut encoder, &SOURCE, &self.sources)?;
        encode(&mut encoder, &BUFFER, &[self.buffer])?;
        encode(&mut encoder, &SHARD, self.shard.map(Share).as_slice())?;
        encode(&mut encoder, &SHARD_TENANTS, self.shard.as_slice())
    }
}

/// What a sink's acknowledgements are worth.
struct Guarantee {
    sink: String,
    guarantee: String,
}

impl Guarantee {
    fn of(sink: &Sink) -> Option<Self> {
        Some(Self { sink: sink.name.clone(), guarantee: sink.guarantee.clone()? })
    }
}

/// Which share of the tenants a process has.
struct Share(Shard);

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
    /// What the labels say; its name gets `_info`, its value is 1.
    Info,
}

type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

/// What tells things of one kind apart.
trait Labelled {
    fn labels(&self) -> Labels<'_>;
}

fn encode<T: Labelled>(encoder: &mut DescriptorEncoder<'_>, metrics: &[Metric<T>], things: &[T]) -> fmt::Result {
    for Metric { name, help, kind, value } in metrics {
        let unit = matches!(kind, Kind::Bytes).then_some(&Unit::Bytes);
        let mut family = encoder.encode_descriptor(name, help, unit, kind.openmetrics())?;
        for thing in things {
            kind.encode(value(thing), &thing.labels(), &mut family)?;
        }
    }
    Ok(())
}

impl Kind {
    fn openmetrics(&self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Bytes | Self::Gauge => MetricType::Gauge,
            Self::Info => MetricType::Info,
        }
    }

    fn encode(&self, value: u64, labels: &Labels<'_>, family: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Info => family.encode_info(labels),
            _ if labels.is_empty() => self.encode_value(value, family),
            _ => self.encode_value(value, &mut family.encode_family(labels)?),
        }
    }

    fn encode_value(&self, value: u64, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&value, None),
            Self::Bytes | Self::Gauge | Self::Info => encoder.encode_gauge(&value),
        }
    }
}

impl Labelled for Sink {
    fn labels(&self) -> Labels<'_> {
        vec![("sink", self.name.as_str().into())]
    }
}

impl Labelled for Guarantee {
    fn labels(&self) -> Labels<'_> {
        vec![("sink", self.sink.as_str().into()), ("guarantee", self.guarantee.as_str().into())]
    }
}

impl Labelled for DeadLetters {
    fn labels(&self) -> Labels<'_> {
        vec![("sink", self.sink.as_str().into())]
    }
}

impl Labelled for Source {
    fn labels(&self) -> Labels<'_> {
        vec![("tenant", self.tenant.as_str().into()), ("source", self.name.as_str().into())]
    }
}

impl Labelled for Buffer {
    fn labels(&self) -> Labels<'_> {
        Vec::new()
    }
}

impl Labelled for Share {
    fn labels(&self) -> Labels<'_> {
        vec![("index", self.0.index.to_string().into()), ("of", self.0.of.to_string().into())]
    }
}

impl Labelled for Shard {
    fn labels(&self) -> Labels<'_> {
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

const fn info<T>(name: &'static str, help: &'static str) -> Metric<T> {
    Metric { name, help, kind: Kind::Info, value: |_| 1 }
}

const SINK: [Metric<Sink>; 6] = [
    counter("sink_delivered", "Alerts that the destination has acknowledged.", |sink| sink.delivered),
    counter("sink_filtered", "Alerts that the filter of the sink left out.", |sink| sink.filtered),
    counter("sink_refused", "Alerts that were refused and became dead letters.", |sink| sink.refused),
    gauge("sink_waiting", "Alerts that wait for the sink in the disk buffer.", |sink| sink.waiting),
    gauge("sink_action_required", "1 while the sink waits for a person to act.", |sink| {
        is(sink.condition, Condition::ActionRequired)
    }),
    gauge("sink_retrying", "1 while the sink tries again by itself.", |sink| is(sink.condition, Condition::Retrying)),
];

const GUARANTEE: [Metric<Guarantee>; 1] =
    [info("sink_guarantee", "What an acknowledgement of the destination is worth.")];

const DEAD_LETTERS: [Metric<DeadLetters>; 2] = [
    gauge("sink_dead_letters", "Dead letters in the disk buffer.", |letters| letters.kept),
    gauge("sink_dead_letters_replaying", "Dead letters that wait to be sent again.", |letters| letters.replaying),
];

const SOURCE: [Metric<Source>; 5] = [
    counter("source_alerts_received", "Alerts that the API has sent, those seen before among them.", |source| {
        source.alerts_received
    }),
    counter("source_updates", "Updates of alerts that were new, the first of each alert among them.", |source| {
        source.updates
    }),
    gauge("source_known_gaps", "Spans and alerts that the API shows but does not give.", |source| source.known_gaps),
    gauge("source_action_required", "1 while the source waits for a person to act.", |source| {
        is(source.condition, Condition::ActionRequired)
    }),
    gauge("source_retrying", "1 while the source tries again by itself.", |source| {
        is(source.condition, Condition::Retrying)
    }),
];

const BUFFER: [Metric<Buffer>; 3] = [
    bytes("buffer_used", "Bytes of the disk buffer.", |buffer| buffer.used_bytes),
    bytes("buffer_max", "Bytes that the disk buffer may use.", |buffer| buffer.max_bytes),
    gauge("buffer_full", "1 while the disk buffer refuses new alerts.", |buffer| buffer.is_full.into()),
];

const SHARD: [Metric<Share>; 1] = [info("shard", "Which share of the tenants this process has.")];

const SHARD_TENANTS: [Metric<Shard>; 1] =
    [gauge("shard_tenants", "Tenants that belong to this process.", |shard| shard.tenants)];

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
        let sink = |name: &str, guarantee: Option<&str>, condition| Sink {
            name: name.into(),
            guarantee: guarantee.map(str::to_owned),
            delivered: 7,
            filtered: 2,
            refused: 3,
            waiting: u64::MAX,
            condition,
        };
        let source = |tenant: &str, condition| Source {
            tenant: tenant.into(),
            name: "alerts".into(),
            alerts_received: 12,
            updates: 10,
            known_gaps: 1,
            condition,
        };
        Snapshot {
            sinks: vec![
                sink("siem", Some("durable"), Condition::ActionRequired),
                sink("archive", None, Condition::Well),
            ],
            dead_letters: vec![letters("siem", 3, 1), letters("gone", 5, 0)],
            sources: vec![source("contoso", Condition::Well), source("fabrikam", Condition::Retrying)],
            buffer: Buffer { used_bytes: 1 << 20, max_bytes: 4 << 30, is_full: false },
            shard: Some(Shard { index: 0, of: 4, tenants: 2 }),
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
