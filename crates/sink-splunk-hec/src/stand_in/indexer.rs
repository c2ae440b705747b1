//! What one indexer holds: events, and what it has still to acknowledge.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Manner;

/// An event that was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `time`, as it was written.
    pub time: String,
    /// `host`.
    pub host: Option<String>,
    /// `source`.
    pub source: Option<String>,
    /// `sourcetype`.
    pub sourcetype: Option<String>,
    /// `index`.
    pub index: Option<String>,
    /// `event`: a string without its quotes and escapes, anything else to the byte.
    pub event: String,
    /// `fields`.
    pub fields: HashMap<String, Value>,
    /// The request that it came with, counted over all indexers.
    pub request: usize,
}

/// Why an event was not taken, and which: those before it were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Invalid {
    pub(super) code: u16,
    pub(super) text: &'static str,
    pub(super) number: usize,
}

/// One indexer.
#[derive(Debug, Default)]
pub(super) struct Indexer {
    events: Vec<Event>,
    channels: HashMap<String, Channel>,
}

#[derive(Debug, Default)]
struct Channel {
    next: u64,
    /// Requests that are not acknowledged, with how often they are still asked for in vain.
    waiting: HashMap<u64, (usize, u32)>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    host: Option<String>,
    source: Option<String>,
    sourcetype: Option<String>,
    index: Option<String>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(default)]
    fields: HashMap<String, Value>,
}

impl Indexer {
    pub(super) fn events(&self) -> impl ExactSizeIterator<Item = &Event> {
        self.events.iter()
    }

    pub(super) fn take(&mut self, events: Vec<Event>) {
        self.events.extend(events);
    }

    /// Gives out the id of a request in its channel.
    pub(super) fn id(&mut self, channel: &str, request: usize, asked_in_vain: u32, repeat: bool) -> u64 {
        let channel = self.channels.entry(channel.to_owned()).or_default();
        if repeat {
            channel.next = channel.next.saturating_sub(1);
        }
        let id = channel.next;
        channel.next += 1;
        channel.waiting.insert(id, (request, asked_in_vain));
        id
    }

    /// Whether an id is acknowledged. After that is said, or where it is not known, it is not.
    pub(super) fn is_acknowledged(&mut self, channel: &str, id: u64) -> bool {
        let Some(channel) = self.channels.get_mut(channel) else { return false };
        match channel.waiting.get_mut(&id) {
            Some((_, 0)) => channel.waiting.remove(&id).is_some(),
            Some((_, in_vain)) => {
                *in_vain -= 1;
                false
            }
            None => false,
        }
    }

    /// Whether an id was given out in a channel and is not acknowledged.
    pub(super) fn knows(&self, channel: &str, id: u64) -> bool {
        self.channels.get(channel).is_some_and(|channel| channel.waiting.contains_key(&id))
    }

    /// The ids that wait in channels other than this one.
    pub(super) fn ids_elsewhere(&self, channel: &str) -> Vec<u64> {
        let others = self.channels.iter().filter(|(name, _)| *name != channel);
        others.flat_map(|(_, channel)| channel.waiting.keys().copied()).collect()
    }

    /// Loses a channel with everything that is not acknowledged in it.
    pub(super) fn forget_channel(&mut self, channel: &str) {
        if let Some(channel) = self.channels.remove(channel) {
            self.lose(&channel);
        }
    }

    /// Loses everything that is not acknowledged.
    pub(super) fn forget(&mut self) {
        for (_, channel) in std::mem::take(&mut self.channels) {
            self.lose(&channel);
        }
    }

    fn lose(&mut self, channel: &Channel) {
        let lost: Vec<usize> = channel.waiting.values().map(|(request, _)| *request).collect();
        self.events.retain(|event| !lost.contains(&event.request));
    }
}

/// Reads the events of a request up to the first that is not valid.
pub(super) fn read(body: &[u8], request: usize, manner: &Manner) -> (Vec<Event>, Option<Invalid>) {
    let mut events = Vec::new();
    for envelope in serde_json::Deserializer::from_slice(body).into_iter::<Envelope<'_>>() {
        let number = events.len();
        let read = match envelope {
            Ok(envelope) => event(envelope, request, manner),
            Err(_) => Err((6, "Invalid data format")),
        };
        match read {
            Ok(event) => events.push(event),
            // Of an index it names the event after the one that is meant.
            Err((7, text)) => return (events, Some(Invalid { code: 7, text, number: number + 1 })),
            Err((code, text)) => return (events, Some(Invalid { code, text, number })),
        }
    }
    let nothing = events.is_empty().then_some(Invalid { code: 5, text: "No data", number: 0 });
    (events, nothing)
}

fn event(envelope: Envelope<'_>, request: usize, manner: &Manner) -> Result<Event, (u16, &'static str)> {
    let is_flat = |value: &Value| match value {
        Value::Object(_) => false,
        Value::Array(values) => values.iter().all(|value| !value.is_object() && !value.is_array()),
        _ => true,
    };
    if !envelope.fields.values().all(is_flat) {
        return Err((15, "Error in handling indexed fields"));
    }
    let indexes = &manner.indexes;
    if envelope.index.as_ref().is_some_and(|index| !indexes.is_empty() && !indexes.contains(index)) {
        return Err((7, "Incorrect index"));
    }
    let raw = envelope.event.map(RawValue::get).filter(|raw| *raw != "null").ok_or((12, "Event field is required"))?;
    if manner.refused.as_ref().is_some_and(|refused| raw.contains(refused)) {
        return Err((6, "Invalid data format"));
    }
    let event = match serde_json::from_str::<String>(raw) {
        Ok(text) if text.is_empty() => return Err((13, "Event field cannot be blank")),
        Ok(text) => text,
        Err(_) => raw.to_owned(),
    };
    Ok(Event {
        time: envelope.time.map(|time| time.get().to_owned()).unwrap_or_default(),
        host: envelope.host,
        source: envelope.source,
        sourcetype: envelope.sourcetype,
        index: envelope.index,
        event,
        fields: envelope.fields,
        request,
    })
}
