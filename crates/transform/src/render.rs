//! What a lane holds: one way of writing alerts, made once.

use crate::cef::{Cef, CefHeader};
use crate::json::{Envelope, Json};
use crate::lexer::Unreadable;
use crate::record_id::RecordId;
use crate::severity::Severity;
use crate::shape::Shape;
use crate::view::View;

/// Writes alerts in one format.
#[derive(Clone, Debug)]
pub enum Renderer {
    /// A line of CEF 0.
    Cef(Cef),
    /// What the API sent, on one line.
    Json(Json),
}

impl Renderer {
    /// Lines of CEF under this header.
    pub fn cef(header: CefHeader) -> Self {
        Self::Cef(Cef::new(header))
    }

    /// The API's own JSON, with or without an envelope.
    pub const fn json(envelope: Envelope) -> Self {
        Self::Json(Json::new(envelope))
    }

    /// Appends one record to `out`: one line of UTF-8 without its line break.
    ///
    /// `raw` is the alert as the API sent it. `record_id` is its id where the caller knows it (the journal's key is the
    /// same 16 bytes); else it is computed.
    ///
    /// # Errors
    ///
    /// Only where `raw` is not one JSON object; `out` is then as it was.
    pub fn render(
        &self,
        shape: Shape,
        origin: &Origin<'_>,
        record_id: Option<RecordId>,
        raw: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Rendered, Unreadable> {
        let view = View::read(shape, raw)?;
        let rendered = Rendered {
            record_id: record_id.unwrap_or_else(|| view.record_id(origin.tenant_id, origin.partial)),
            severity: view.severity(),
            updated: view.updated(),
            created: view.created(),
        };
        match self {
            Self::Cef(cef) => cef.write(&view, origin, &rendered, out),
            Self::Json(json) => json.write(shape, origin, &rendered, raw, out),
        }
        Ok(rendered)
    }
}

/// Where an alert comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The Entra tenant id.
    pub tenant_id: &'a str,
    /// The tenant's name in the pipeline file.
    pub tenant_name: &'a str,
    /// The alert was had without its evidence; the whole of it may follow.
    pub partial: bool,
}

/// What a lane has to know about a record that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Its id.
    pub record_id: RecordId,
    /// How bad it is.
    pub severity: Severity,
    /// When the alert last changed, in .NET ticks; 0 where that is not known.
    pub updated: i64,
    /// When the alert was raised, in .NET ticks; 0 where that is not known.
    pub created: i64,
}
