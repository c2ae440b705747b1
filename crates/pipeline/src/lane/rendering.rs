//! A lane's filter and renderer: entries of the journal become records, or end here.

use std::sync::Arc;

use bytes::BytesMut;
use chrono::{DateTime, Utc};
use journal::{Entry, FeedInfo};
use pipeline_file::plan::{MinSeverity, OnlyPlan};
use sink::Record;
use tokio::sync::watch;
use transform::{Origin, RecordId, Rendered, Renderer, Severity, Shape};

use crate::lane::delivery::End;
use crate::tenants::{Tenant, Tenants};

/// Turns entries into records.
pub(crate) struct Rendering {
    renderer: Renderer,
    per: Per,
    only: OnlyPlan,
    tenants: watch::Receiver<Arc<Tenants>>,
    /// Whose the last entry was: the next one usually is of the same feed.
    sender: Option<(Arc<FeedInfo>, Arc<Sender>)>,
    scratch: Vec<u8>,
    /// What is rendered next stands in here. Records share their memory, a block at a time.
    block: BytesMut,
    /// The records of an entry; its memory is kept for the next one.
    records: Vec<Record>,
}

/// What a record stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Per {
    /// An alert.
    #[default]
    Alert,
    /// A piece of an alert's evidence.
    Evidence,
}

/// What all entries of a feed have in common.
struct Sender {
    tenant: Arc<Tenant>,
    shape: Option<Shape>,
    taken: Taken,
}

/// Whether the lane's filter takes a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    No,
    /// The filter asks for tenants, and this one is not in the file any more.
    Unknown,
    Yes,
}

impl Rendering {
    pub(crate) fn new(renderer: Renderer, per: Per, only: OnlyPlan, tenants: watch::Receiver<Arc<Tenants>>) -> Self {
        let block = BytesMut::with_capacity(BLOCK);
        Self { renderer, per, only, tenants, sender: None, scratch: Vec::new(), block, records: Vec::new() }
    }

    /// Who sent an entry: looked up once for entries of one feed that follow each other.
    fn sender(&mut self, feed: &Arc<FeedInfo>) -> Arc<Sender> {
        // Tenants may change while the lane runs.
        let is_current = !self.tenants.has_changed().unwrap_or(false);
        if let Some((of, sender)) = &self.sender
            && is_current
            && Arc::ptr_eq(of, feed)
        {
            return Arc::clone(sender);
        }
        let tenants = Arc::clone(&self.tenants.borrow_and_update());
        let sender = Arc::new(self.look_up(feed, &tenants));
        self.sender = Some((Arc::clone(feed), Arc::clone(&sender)));
        sender
    }

    fn look_up(&self, feed: &FeedInfo, tenants: &Tenants) -> Sender {
        let known = tenants.find(&feed.name.tenant_id);
        let taken = match &known {
            Some(tenant) if self.only.takes_tenant(&tenant.name, &tenant.labels) => Taken::Yes,
            None if self.only.tenants.is_empty() => Taken::Yes,
            Some(_) => Taken::No,
            None => Taken::Unknown,
        };
        let tenant = known.unwrap_or_else(|| Arc::new(Tenant::stranger(&feed.name.tenant_id)));
        Sender { tenant, shape: Shape::from_source_kind(&feed.kind), taken }
    }

    /// The records for an entry, at least one, or how the entry ends without any.
    pub(crate) fn records(&mut self, entry: &Entry) -> Result<impl ExactSizeIterator<Item = Record>, End> {
        let sender = self.sender(&entry.feed);
        let shape = self.admit(&sender, entry)?;
        let origin = Origin {
            tenant_id: &sender.tenant.id,
            tenant_name: &sender.tenant.name,
            partial: entry.flags & PARTIAL != 0,
        };
        let (block, records) = (&mut self.block, &mut self.records);
        records.clear();
        let mut keep = |rendered: Rendered<'_>, bytes: &[u8]| {
            block.extend_from_slice(bytes);
            let payload = block.split().freeze();
            rendered.alert.append_to(block);
            let alert = block.split().freeze();
            rendered.device.append_to(block);
            let device = block.split().freeze();
            let updated = time(rendered.updated);
            records.push(Record {
                id: *rendered.record_id.as_bytes(),
                tenant: Arc::clone(&sender.tenant.name),
                alert,
                device,
                updated,
                time: updated,
                severity: severity(rendered.severity),
                payload,
            });
        };
        let rendered = match self.per {
            Per::Alert => {
                // What the ledger knows a revision by is its record id.
                let record_id = Some(RecordId::from_bytes(entry.key.id));
                self.scratch.clear();
                let rendered = self.renderer.render(shape, &origin, record_id, &entry.bytes, &mut self.scratch);
                rendered.map(|rendered| keep(rendered, &self.scratch))
            }
            Per::Evidence => self.renderer.render_each_evidence(shape, &origin, &entry.bytes, keep),
        };
        rendered.map_err(|unreadable| End::SetAside(unreadable.to_string()))?;
        Ok(self.records.drain(..))
    }

    /// The shape of an entry that goes out, or how it ends here.
    fn admit(&self, sender: &Sender, entry: &Entry) -> Result<Shape, End> {
        match sender.taken {
            Taken::No => return Err(End::FilteredOut),
            Taken::Unknown => {
                let reason = "its tenant has left the file, and this sink asks for tenants by name or label";
                return Err(End::SetAside(reason.to_owned()));
            }
            Taken::Yes => {}
        }
        let Some(shape) = sender.shape else {
            return Err(End::SetAside("its source is of a kind that this version does not know".to_owned()));
        };
        if self.takes_severity(shape, &entry.bytes) { Ok(shape) } else { Err(End::FilteredOut) }
    }

    /// A severity that is unknown always passes: a new word of Microsoft's must not hide an alert.
    fn takes_severity(&self, shape: Shape, raw: &[u8]) -> bool {
        let least = match self.only.min_severity {
            None => return true,
            Some(MinSeverity::Informational) => Severity::Informational,
            Some(MinSeverity::Low) => Severity::Low,
            Some(MinSeverity::Medium) => Severity::Medium,
            Some(MinSeverity::High) => Severity::High,
        };
        let severity = transform::severity(shape, raw);
        severity == Severity::Unknown || severity >= least
    }
}

/// A severity in the words of sinks.
pub(crate) fn severity(severity: Severity) -> sink::Severity {
    match severity {
        Severity::Unknown => sink::Severity::Unknown,
        Severity::Informational => sink::Severity::Informational,
        Severity::Low => sink::Severity::Low,
        Severity::Medium => sink::Severity::Medium,
        Severity::High => sink::Severity::High,
    }
}

/// A record's time, to the millisecond.
pub(crate) fn time(ticks: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(transform::unix_millis(ticks)).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Rendered bytes that are allocated together. [`BytesMut`] makes no larger blocks by itself.
const BLOCK: usize = 64 << 10;

/// The entry was had without its evidence ([`journal::Entry::flags`]).
pub(crate) const PARTIAL: u8 = 1;
