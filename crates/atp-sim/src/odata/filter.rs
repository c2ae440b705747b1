//! The tree of a filter, and what it says of an alert.

use std::cmp::Ordering;
use std::ops::Bound;

/// A filter read into a tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Compare(Field, Operator, Value),
    Not(Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

/// The fields that alerts can be filtered by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    AlertCreationTime,
    AssignedTo,
    Category,
    DetectionSource,
    Id,
    IncidentId,
    InvestigationId,
    LastEventTime,
    LastUpdateTime,
    Severity,
    Status,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Operator {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    NotEqual,
}

/// A literal, or what an alert has in a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Number(i64),
    Text(String),
    Time(i64),
}

impl Filter {
    /// Whether an alert matches; `of` says what it has in a field.
    pub(crate) fn matches(&self, of: &impl Fn(Field) -> Value) -> bool {
        match self {
            Self::And(left, right) => left.matches(of) && right.matches(of),
            Self::Or(left, right) => left.matches(of) || right.matches(of),
            Self::Not(inner) => !inner.matches(of),
            Self::Compare(field, operator, value) => operator.holds(&of(*field), value),
        }
    }

    /// The span of update times outside of which nothing matches.
    pub(crate) fn update_span(&self) -> (Bound<i64>, Bound<i64>) {
        match self {
            Self::And(left, right) => {
                let ((left_from, left_to), (right_from, right_to)) = (left.update_span(), right.update_span());
                (narrower(left_from, right_from, Ordering::Greater), narrower(left_to, right_to, Ordering::Less))
            }
            Self::Compare(Field::LastUpdateTime, operator, Value::Time(time)) => match operator {
                Operator::Equal => (Bound::Included(*time), Bound::Included(*time)),
                Operator::Greater => (Bound::Excluded(*time), Bound::Unbounded),
                Operator::GreaterOrEqual => (Bound::Included(*time), Bound::Unbounded),
                Operator::Less => (Bound::Unbounded, Bound::Excluded(*time)),
                Operator::LessOrEqual => (Bound::Unbounded, Bound::Included(*time)),
                Operator::NotEqual => (Bound::Unbounded, Bound::Unbounded),
            },
            Self::Compare(..) | Self::Not(_) | Self::Or(..) => (Bound::Unbounded, Bound::Unbounded),
        }
    }
}

/// The bound that leaves less, where `tighter` says which way that is.
fn narrower(left: Bound<i64>, right: Bound<i64>, tighter: Ordering) -> Bound<i64> {
    let time = |bound: Bound<i64>| match bound {
        Bound::Included(time) | Bound::Excluded(time) => Some(time),
        Bound::Unbounded => None,
    };
    match (time(left), time(right)) {
        (None, _) => right,
        (_, None) => left,
        (Some(a), Some(b)) if a == b => {
            if matches!(left, Bound::Excluded(_)) {
                left
            } else {
                right
            }
        }
        (Some(a), Some(b)) => {
            if a.cmp(&b) == tighter {
                left
            } else {
                right
            }
        }
    }
}

impl Field {
    /// The field of this name; upper and lower case are one, as the documents mix them.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "alertcreationtime" => Self::AlertCreationTime,
            "assignedto" => Self::AssignedTo,
            "category" => Self::Category,
            "detectionsource" => Self::DetectionSource,
            "id" => Self::Id,
            "incidentid" => Self::IncidentId,
            "investigationid" => Self::InvestigationId,
            "lasteventtime" => Self::LastEventTime,
            "lastupdatetime" => Self::LastUpdateTime,
            "severity" => Self::Severity,
            "status" => Self::Status,
            _ => return None,
        })
    }

    /// Whether the field can be compared with such a literal.
    pub(crate) fn takes(self, value: &Value) -> bool {
        match self {
            Self::AlertCreationTime | Self::LastEventTime | Self::LastUpdateTime => {
                matches!(value, Value::Time(_) | Value::Null)
            }
            Self::IncidentId | Self::InvestigationId => matches!(value, Value::Number(_) | Value::Null),
            _ => matches!(value, Value::Text(_) | Value::Null),
        }
    }
}

impl Operator {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Equal,
            "ne" => Self::NotEqual,
            "gt" => Self::Greater,
            "ge" => Self::GreaterOrEqual,
            "lt" => Self::Less,
            "le" => Self::LessOrEqual,
            _ => return None,
        })
    }

    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::Number(a), Value::Number(b)) | (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::Null, Value::Null) => Some(Ordering::Equal),
            _ => None,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        }
    }
}

/// What the API says of a field it does not know.
pub(crate) fn unknown_field(name: &str) -> String {
    format!("Could not find a property named '{name}' on type 'Microsoft.WindowsDefenderATP.Api.Alert'.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::parse::filter;

    fn alert(field: Field) -> Value {
        match field {
            Field::LastUpdateTime => Value::Time(crate::ticks::parse("2020-01-01T00:00:00.5Z").unwrap()),
            Field::Status => Value::Text("New".to_owned()),
            Field::IncidentId => Value::Number(7),
            _ => Value::Null,
        }
    }

    /// Every operator on every kind of value.
    #[test]
    fn compares() {
        let table = [
            ("lastUpdateTime ge 2020-01-01T00:00:00.5Z", true),
            ("lastUpdateTime gt 2020-01-01T00:00:00.5Z", false),
            ("lastUpdateTime le 2020-01-01T00:00:00.5Z", true),
            ("lastUpdateTime lt 2020-01-01T00:00:00.5Z", false),
            ("lastUpdateTime gt 2020-01-01Z", true),
            ("status eq 'New' and incidentId ne 8", true),
            ("status eq 'new'", false),
            ("not (status eq 'New') or IncidentId eq 7", true),
            ("assignedTo eq null", true),
            ("assignedTo ne 'me'", true),
            ("assignedTo gt 'me'", false),
        ];
        for (text, expected) in table {
            assert_eq!(filter(text).unwrap().matches(&alert), expected, "{text}");
        }
    }

    /// The span is as narrow as conjunctions make it, and never narrower than what can match.
    #[test]
    fn spans() {
        let at = |text| crate::ticks::parse(text).unwrap();
        let (a, b) = (at("2020-01-01Z"), at("2020-01-02Z"));
        let span = |text: &str| filter(text).unwrap().update_span();
        let both = "lastUpdateTime ge 2020-01-01Z and status eq 'New' and lastUpdateTime lt 2020-01-02Z";
        assert_eq!(span(both), (Bound::Included(a), Bound::Excluded(b)));
        assert_eq!(span("lastUpdateTime ge 2020-01-01Z or status eq 'New'"), (Bound::Unbounded, Bound::Unbounded));
        let twice = "lastUpdateTime ge 2020-01-01Z and lastUpdateTime gt 2020-01-01Z and lastUpdateTime ge 2019-01-01Z";
        assert_eq!(span(twice), (Bound::Excluded(a), Bound::Unbounded));
    }
}
