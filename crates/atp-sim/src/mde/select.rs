//! Which alerts a query gets, and in which order.

use crate::alert::{Traits, alert_id, event_times};
use crate::dice::mix;
use crate::knobs::{Knobs, OrderBy, RowOrder};
use crate::odata::{Field, Filter, Query, Value};
use crate::tenant::{AlertRow, Tenant};

/// The rows of one answer.
pub(crate) struct Selected {
    pub(crate) rows: Vec<AlertRow>,
    /// There are more than these.
    pub(crate) more: bool,
}

/// Selects the rows of one answer.
pub(crate) fn select(tenant: &Tenant, query: &Query, knobs: &Knobs, now: i64) -> Selected {
    let cap = knobs.silent_cap.unwrap_or(u32::MAX).min(knobs.row_cap) as usize;
    let limit = query.top.unwrap_or(usize::MAX).min(cap);
    let (from, to) = query.update_span();
    let holdings = tenant.holdings(now);
    let matching = |row: &AlertRow| query.filter.as_ref().is_none_or(|filter| matches(tenant, filter, row));
    let wanted = query.skip.saturating_add(limit).saturating_add(1);
    let mut rows: Vec<AlertRow> = match order(query, knobs) {
        Order::Updated { descending: true } => holdings.alerts(from, to).rev().filter(matching).take(wanted).collect(),
        Order::Updated { descending: false } => holdings.alerts(from, to).filter(matching).take(wanted).collect(),
        Order::Created { descending } => {
            let mut rows: Vec<AlertRow> = holdings.alerts(from, to).filter(matching).collect();
            rows.sort_by_key(|row| (row.created, row.index));
            if descending {
                rows.reverse();
            }
            rows
        }
        Order::None => {
            let mut rows: Vec<AlertRow> = holdings.alerts(from, to).filter(matching).collect();
            rows.sort_by_key(|row| mix(u64::from(row.index), u64::from(row.revision)));
            rows
        }
    };
    drop(holdings);
    rows.drain(..query.skip.min(rows.len()));
    let more = rows.len() > limit;
    rows.truncate(limit);
    Selected { rows, more }
}

enum Order {
    Created { descending: bool },
    None,
    Updated { descending: bool },
}

fn order(query: &Query, knobs: &Knobs) -> Order {
    if let (Some(asked), OrderBy::Works) = (query.order_by, knobs.order_by) {
        return match asked.field {
            Field::AlertCreationTime => Order::Created { descending: asked.descending },
            _ => Order::Updated { descending: asked.descending },
        };
    }
    match knobs.order {
        RowOrder::NewestCreatedFirst => Order::Created { descending: true },
        RowOrder::NewestFirst => Order::Updated { descending: true },
        RowOrder::OldestFirst => Order::Updated { descending: false },
        RowOrder::Shuffled => Order::None,
    }
}

fn matches(tenant: &Tenant, filter: &Filter, row: &AlertRow) -> bool {
    let site = &tenant.site;
    let text = |text: &str| Value::Text(text.to_owned());
    let traits = || Traits::of(site, row.index, row.revision, false);
    filter.matches(&|field| match field {
        Field::AlertCreationTime => Value::Time(row.created),
        Field::AssignedTo => traits().assigned_to.map_or(Value::Null, text),
        Field::Category => text(traits().category),
        Field::DetectionSource => text(traits().scenario.source),
        Field::Id => text(&alert_id(site.seed, row.index, row.created)),
        Field::IncidentId => Value::Number(traits().incident_id),
        Field::InvestigationId => traits().investigation_id.map_or(Value::Null, Value::Number),
        Field::LastEventTime => Value::Time(event_times(site, row).1),
        Field::LastUpdateTime => Value::Time(row.updated),
        Field::Severity => text(traits().severity),
        Field::Status => text(traits().status),
    })
}
