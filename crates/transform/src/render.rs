//! What a lane holds: one way of writing alerts, made once.

use crate::budget::Budget;
use crate::cef::{Cef, CefHeader, CefVersion};
use crate::json::{Envelope, Json};
use crate::leef::{Leef, LeefOptions};
use crate::lexer::Unreadable;
use crate::line::{self, Record};
use crate::record_id::RecordId;
use crate::severity::Severity;
use crate::shape::Shape;
use crate::text::{Piece, Text};
use crate::view::View;

/// Writes alerts in one format.
#[derive(Clone, Debug)]
pub struct Renderer {
    format: Format,
    budget: Option<Budget>,
}

#[derive(Clone, Debug)]
enum Format {
    Cef(Cef),
    Json(Json),
    Leef(Box<Leef>),
}

impl Renderer {
    /// Lines of CEF 0 under this header.
    pub fn cef(header: CefHeader) -> Self {
        Self::cef_version(CefVersion::V0, header)
    }

    /// Lines of CEF under this header, of the version asked for.
    #[expect(clippy::needless_pass_by_value, reason = "as `cef` takes it; a renderer is made once")]
    pub fn cef_version(version: CefVersion, header: CefHeader) -> Self {
        Self { format: Format::Cef(Cef::new(version, &header)), budget: None }
    }

    /// Lines of LEEF.
    pub fn leef(options: &LeefOptions) -> Self {
        Self { format: Format::Leef(Box::new(Leef::new(options))), budget: None }
    }

    /// The API's own JSON, with or without an envelope.
    pub const fn json(envelope: Envelope) -> Self {
        Self { format: Format::Json(Json::new(envelope)), budget: None }
    }

    /// The same, with records of CEF and LEEF cut to this budget. Raw JSON keeps every byte.
    #[must_use]
    pub fn within(self, budget: Budget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Appends one record to `out`: one line of UTF-8 without its line break.
    ///
    /// `raw` is the alert as the API sent it. `record_id` is its id where the caller knows it (the journal's key is the
    /// same 16 bytes); else it is computed.
    ///
    /// # Errors
    ///
    /// Only where `raw` is not one JSON object; `out` is then as it was.
    pub fn render<'a>(
        &self,
        shape: Shape,
        origin: &Origin<'_>,
        record_id: Option<RecordId>,
        raw: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<Rendered<'a>, Unreadable> {
        let view = View::read(shape, raw)?;
        Ok(self.write(&view, origin, record_id, out))
    }

    /// Renders one record for each piece of the alert's evidence, in their order, and hands over each with its bytes.
    ///
    /// A record has the alert's own facts and those of its one piece; its id is made with the index of that piece, from
    /// 0. An alert without evidence, an incident, a row, and an alert that was had without its evidence give one record,
    /// the same as [`Renderer::render`] does with no `record_id`. Raw JSON is the alert with that one piece as its list.
    ///
    /// # Errors
    ///
    /// Only where `raw` is not one JSON object; nothing is handed over then.
    pub fn render_each_evidence(
        &self,
        shape: Shape,
        origin: &Origin<'_>,
        raw: &[u8],
        mut each: impl FnMut(Rendered<'_>, &[u8]),
    ) -> Result<(), Unreadable> {
        let mut record = Vec::new();
        View::read_each(shape, raw, |view| {
            record.clear();
            let rendered = self.write(view, origin, None, &mut record);
            each(rendered, &record);
        })
    }

    fn write<'a>(
        &self,
        view: &View<'a>,
        origin: &Origin<'_>,
        record_id: Option<RecordId>,
        out: &mut Vec<u8>,
    ) -> Rendered<'a> {
        let mut rendered = Rendered {
            record_id: record_id.unwrap_or_else(|| view.record_id(origin.tenant_id, origin.partial)),
            severity: view.severity(),
            updated: view.updated(),
            created: view.created(),
            last_activity: view.last_activity(),
            fields_cut: 0,
            alert: Word(view.alert_id()),
            device: Word(view.device()),
        };
        let record = Record { view, origin, rendered: &rendered };
        rendered.fields_cut = match &self.format {
            Format::Cef(cef) => line::write(cef, &record, self.budget, out),
            Format::Leef(leef) => line::write(leef.as_ref(), &record, self.budget, out),
            Format::Json(json) => {
                json.write(view, origin, &rendered, out);
                0
            }
        };
        rendered
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
pub struct Rendered<'a> {
    /// Its id.
    pub record_id: RecordId,
    /// How bad it is.
    pub severity: Severity,
    /// When the alert last changed, in .NET ticks; 0 where that is not known.
    pub updated: i64,
    /// When the alert was raised, in .NET ticks; 0 where that is not known.
    pub created: i64,
    /// When what it is about last happened, in .NET ticks; 0 where that is not known.
    pub last_activity: i64,
    /// How many fields the size budget left out or shortened; the record says so too.
    pub fields_cut: usize,
    /// The id of the alert that it is a revision of; of a row or an incident, its own.
    pub alert: Word<'a>,
    /// The device that the alert is about, by the fullest name it is given.
    pub device: Word<'a>,
}

/// A text as it stands in an alert; empty where the alert does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Word<'a>(Text<'a>);

impl Word<'_> {
    /// Whether the alert does not say it.
    pub const fn is_empty(self) -> bool {
        !self.0.is_some()
    }

    /// Appends the text in UTF-8, its escapes resolved.
    pub fn append_to(self, out: &mut impl Extend<u8>) {
        for piece in self.0.decoded() {
            match piece {
                Piece::Run(run) => out.extend(run.iter().copied()),
                Piece::Char(char) => out.extend(char.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
    }
}
