//! The OData subset that `GET /api/alerts` understands.

mod filter;
mod parse;
mod scan;

use std::ops::Bound;

use url::form_urlencoded;

pub(crate) use filter::{Field, Filter, Value};

/// The query options of one call.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Query {
    pub(crate) filter: Option<Filter>,
    pub(crate) top: Option<usize>,
    pub(crate) skip: usize,
    pub(crate) expand_evidence: bool,
    pub(crate) order_by: Option<OrderBy>,
}

/// `$orderby`: a field and a direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OrderBy {
    pub(crate) field: Field,
    pub(crate) descending: bool,
}

impl Query {
    /// Reads the part of the address behind `?`. The error is a message for the body of a 400.
    pub(crate) fn parse(query: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "$filter" => read.filter = Some(parse::filter(&value)?),
                "$top" => read.top = Some(number("$top", &value)?),
                "$skip" => read.skip = number("$skip", &value)?,
                "$expand" => read.expand_evidence = expand(&value)?,
                "$orderby" => read.order_by = Some(order_by(&value)?),
                other if other.starts_with('$') => {
                    return Err(format!("The query parameter '{other}' is not supported."));
                }
                _ => {}
            }
        }
        Ok(read)
    }

    /// The span of update times that the filter leaves, as far as its conjunctions show it.
    pub(crate) fn update_span(&self) -> (Bound<i64>, Bound<i64>) {
        self.filter.as_ref().map_or((Bound::Unbounded, Bound::Unbounded), Filter::update_span)
    }
}

fn number(name: &str, value: &str) -> Result<usize, String> {
    value.parse().map_err(|_| format!("Invalid value '{value}' for {name} query option found."))
}

fn expand(value: &str) -> Result<bool, String> {
    if value.eq_ignore_ascii_case("evidence") {
        return Ok(true);
    }
    Err(format!("Could not find a property named '{value}' to expand."))
}

fn order_by(value: &str) -> Result<OrderBy, String> {
    let mut words = value.split_whitespace();
    let name = words.next().unwrap_or_default();
    let field = Field::named(name).ok_or_else(|| filter::unknown_field(name))?;
    let descending = match words.next() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(other) => return Err(format!("Syntax error in $orderby at '{other}'.")),
    };
    Ok(OrderBy { field, descending })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A query as clients write it, with `+` or `%20` for spaces.
    #[test]
    fn reads_a_whole_query() {
        for space in ["+", "%20"] {
            let text = "$filter=lastUpdateTime ge 2019-11-22T00:00:00Z&$top=10&$skip=1000000&$expand=evidence\
                        &$orderby=alertCreationTime desc";
            let query = Query::parse(&text.replace(' ', space)).unwrap();
            assert_eq!((query.top, query.skip, query.expand_evidence), (Some(10), 1_000_000, true));
            assert_eq!(query.order_by, Some(OrderBy { field: Field::AlertCreationTime, descending: true }));
            assert!(query.filter.is_some());
        }
    }

    /// What the API would refuse is refused with a message.
    #[test]
    fn refuses_nonsense() {
        let refused = ["$top=1e+06", "$top=-1", "$expand=machine", "$orderby=title", "$select=id", "$filter="];
        for query in refused {
            assert!(Query::parse(query).is_err(), "{query}");
        }
    }

    /// The malformed links of the real service lose their parameter names; what is left is ignored.
    #[test]
    fn ignores_parameters_without_a_name() {
        let query = Query::parse("=onboardingstatus&=10000&$skip=10000").unwrap();
        assert_eq!(query.skip, 10_000);
    }
}
